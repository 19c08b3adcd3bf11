//! `sinter receipt`: fetch the proof that a transaction is final, and verify it without trusting anybody
//! but a committee.

use crate::{
    args::ReceiptCommand,
    client,
    exit::{Exit, Failure, OrFail, print_result},
};
use serde_json::{Value, json};
use sinter_primitives::{
    Accumulator,
    receipt::{NamespaceRange, Receipt, TrustedNetwork, Verified, VerifiedRange},
};
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, TransactionStatus},
};
use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

/// Longest document that is read: a range of many full blocks.
const DOCUMENT_BYTES_MAX: u64 = 256 << 20;

/// Carries the command out.
///
/// # Errors
/// With [`Exit::Refused`] when a proof does not hold.
pub fn run(command: ReceiptCommand) -> Result<(), Failure> {
    match command {
        ReceiptCommand::Get { id, rpc } => get(&id, &rpc),
        ReceiptCommand::Verify { file, committee, start_accumulator, json } => {
            let trail = verify(&file, &committee, start_accumulator.as_deref())?;
            print_result(if json { trail.as_json() } else { trail.as_text() })
        }
    }
}

/// Prints the receipt of a final transaction. What it says is not checked: `verify` is for that.
fn get(id: &str, rpc: &str) -> Result<(), Failure> {
    let parsed: Id =
        serde_json::from_value(Value::from(id)).or_fail(Exit::Usage, format_args!("transaction id {id:?}"))?;
    let node = client::http(rpc)?;
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let status = runtime.block_on(node.receipt(parsed)).or_fail(Exit::Failed, format_args!("asking {rpc}"))?;
    let stage = match status {
        TransactionStatus::Finalized { receipt } => {
            let text = serde_json::to_string_pretty(&receipt).or_fail(Exit::Failed, "writing the receipt")?;
            return print_result(text);
        }
        TransactionStatus::Notarized { height } => format!("it is notarized at height {height}, and not final yet"),
        TransactionStatus::Pending => "it waits for a block".to_owned(),
        TransactionStatus::Unknown => "this node does not know it".to_owned(),
    };
    Err(Failure::new(Exit::Failed, format!("no receipt of {id}: {stage}")))
}

/// What was verified, with what the document itself adds to it.
enum Trail {
    Receipt { receipt: Box<Receipt>, verified: Verified },
    Range(VerifiedRange),
}

fn verify(file: &Path, committee: &Path, start: Option<&str>) -> Result<Trail, Failure> {
    let network = TrustedNetwork::parse(&read(committee)?).or_fail(Exit::Usage, committee.display())?;
    let name = file.display();
    let start = start
        .map(|text| serde_json::from_value::<Accumulator>(Value::from(text)))
        .transpose()
        .or_fail(Exit::Usage, "--start-accumulator")?;
    let document: Value = serde_json::from_slice(&read(file)?).or_fail(Exit::Usage, &name)?;
    if document.get("transaction_id").is_some() {
        let receipt: Receipt = serde_json::from_value(document).or_fail(Exit::Usage, &name)?;
        let verified = receipt.verify(&network).or_fail(Exit::Refused, format_args!("{name} does not hold"))?;
        return Ok(Trail::Receipt { receipt: Box::new(receipt), verified });
    }
    if document.get("from_height").is_some() {
        let range: NamespaceRange = serde_json::from_value(document).or_fail(Exit::Usage, &name)?;
        let verified = range.verify(&network, start).or_fail(Exit::Refused, format_args!("{name} does not hold"))?;
        return Ok(Trail::Range(verified));
    }
    let message =
        format!("{name}: expected a receipt (`transaction_id`) or a namespace range (`from_height`), got neither");
    Err(Failure::new(Exit::Usage, message))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let what = format!("reading {}", file.display());
    let mut bytes = Vec::new();
    let source: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(file).or_fail(Exit::Usage, &what)?)
    };
    let read = source.take(DOCUMENT_BYTES_MAX + 1).read_to_end(&mut bytes).or_fail(Exit::Usage, &what)?;
    if read as u64 > DOCUMENT_BYTES_MAX {
        return Err(Failure::new(Exit::Usage, format!("{what}: expected at most {DOCUMENT_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

impl Trail {
    fn as_json(&self) -> String {
        match self {
            Self::Receipt { verified, .. } => json!({ "verified": "receipt", "receipt": verified }),
            Self::Range(range) => json!({ "verified": "namespace-range", "range": range }),
        }
        .to_string()
    }

    fn as_text(&self) -> String {
        match self {
            Self::Receipt { receipt, verified } => receipt_text(receipt, verified),
            Self::Range(range) => [
                format!("namespace    {}", range.namespace),
                format!(
                    "heights      {} to {}: none missing, none foreign, in order",
                    range.from_height, range.to_height
                ),
                format!("transactions {} with {} payload bytes", range.transactions, range.payload_bytes),
                format!("accumulator  {}", range.accumulator.map_or("not known: idle".into(), |it| hexadecimal(&it.0))),
                format!("certified    at height {}", range.certified_height),
                "VERIFIED".into(),
            ]
            .join("\n"),
        }
    }
}

/// The trail from the transaction up to the committee, one step a line.
fn receipt_text(receipt: &Receipt, verified: &Verified) -> String {
    let links = receipt.header_chain.headers.len().saturating_sub(1);
    let chain = match links {
        0 => "itself".to_owned(),
        _ => format!("{links} headers further, at height {}", verified.certified_height),
    };
    [
        format!("transaction  {}", hexadecimal(&verified.transaction_id)),
        format!("      is     number {} of {} in its lane", verified.index, receipt.leaf.tx_count),
        format!("lane         namespace {}, root {}", verified.namespace, hexadecimal(&receipt.leaf.tx_root)),
        format!("      in     block {} of {}", verified.height, timestamp(verified.timestamp_ms)),
        format!("block        {}", hexadecimal(&verified.block)),
        format!("certificate  over {chain}"),
        format!("      by     {} of {} seats", verified.signers, verified.seats),
        "VERIFIED".into(),
    ]
    .join("\n")
}

fn hexadecimal(bytes: &[u8]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Milliseconds since the Unix epoch, as RFC 3339 writes them in UTC.
fn timestamp(milliseconds: u64) -> String {
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000);
    // Howard Hinnant's `civil_from_days`, for days from 1970 on.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second, millisecond) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::timestamp;

    #[test]
    fn timestamps_are_dates() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(timestamp(1_763_716_345_678), "2025-11-21T09:12:25.678Z");
        assert_eq!(timestamp(4_107_542_399_999), "2100-02-28T23:59:59.999Z");
    }
}
