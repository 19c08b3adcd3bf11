//! `sinter evidence`: votes that exclude each other, from a member to the L1.

use crate::{
    chain,
    exit::{Exit, Failure, OrFail, print_result},
    l1::connect,
    relayer::read_key,
};
use alloy::{network::TransactionBuilder, primitives::Address, providers::Provider, rpc::types::TransactionRequest};
use clap::{Args, Subcommand};
use jsonrpsee::http_client::HttpClientBuilder;
use serde_json::json;
use sinter_primitives::{
    Chain,
    evidence::{Choice, EVIDENCE_BYTES_MAX, Evidence},
};
use sinter_sequencer::rpc::SinterApiClient;
use sinter_settlement::evidence::{Report, report_call};
use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    time::Duration,
};

const ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long the L1 has to mine the report.
const RECEIPT_MAX: Duration = Duration::from_secs(300);

/// `sinter evidence …`.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// What a member knows; with `--save`, a file for each piece
    List(ListArguments),
    /// Check a piece, offline: exit code 3 when it proves nothing
    Verify(VerifyArguments),
    /// Report a piece on L1, where it costs the stake of who signed
    Submit(SubmitArguments),
}

/// `sinter evidence list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// The member's RPC
    #[arg(long, value_name = "URL")]
    pub rpc: String,
    /// The network's chain.toml: what proves nothing in it is not listed
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// Write each piece to a new file in this directory
    #[arg(long, value_name = "DIR")]
    pub save: Option<PathBuf>,
    /// Print one JSON object a line
    #[arg(long)]
    pub json: bool,
}

/// `sinter evidence verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// The piece, as a member keeps it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The network's chain.toml
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
}

/// `sinter evidence submit`.
#[derive(Debug, Args)]
pub struct SubmitArguments {
    /// What is reported.
    #[command(flatten)]
    pub piece: VerifyArguments,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// The Evidence contract there
    #[arg(long, value_name = "ADDRESS")]
    pub contract: Address,
    /// File with the private key of the account that pays for the transaction, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Who gets the reward, if not that account
    #[arg(long, value_name = "ADDRESS")]
    pub reporter: Option<Address>,
}

/// Carries the command out.
///
/// # Errors
/// With [`Exit::Refused`] when a piece proves nothing, or the L1 refuses it.
pub fn run(command: &EvidenceCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    match command {
        EvidenceCommand::List(arguments) => runtime.block_on(list(arguments)),
        EvidenceCommand::Verify(arguments) => {
            let (chain, evidence) = verified(arguments)?;
            print_result(describe(&chain, &evidence))
        }
        EvidenceCommand::Submit(arguments) => runtime.block_on(submit(arguments)),
    }
}

async fn list(arguments: &ListArguments) -> Result<(), Failure> {
    let chain = chain::load(&arguments.chain)?;
    let client = HttpClientBuilder::default().request_timeout(ANSWER_MAX).build(&arguments.rpc);
    let client = client.or_fail(Exit::Usage, "--rpc")?;
    let pieces = client.evidence().await.or_fail(Exit::Failed, &arguments.rpc)?;
    for (number, evidence) in pieces.iter().enumerate() {
        if let Err(error) = evidence.verify(&chain.hash) {
            eprintln!("sinter: piece {number} of {}: {error}: not listed", arguments.rpc);
            continue;
        }
        let text = serde_json::to_string(evidence).or_fail(Exit::Failed, "writing evidence as JSON")?;
        if arguments.json {
            print_result(&text)?;
        } else {
            print_result(describe(&chain, evidence))?;
        }
        if let Some(directory) = &arguments.save {
            let path = directory.join(format!("{}-{}-{number}.json", evidence.epoch, evidence.view));
            let file = File::create_new(&path).or_fail(Exit::Usage, path.display())?;
            serde_json::to_writer_pretty(file, evidence).or_fail(Exit::Failed, path.display())?;
        }
    }
    if pieces.is_empty() && !arguments.json {
        print_result(format_args!("{} knows of no misconduct", arguments.rpc))?;
    }
    Ok(())
}

/// Reads and checks a piece.
fn verified(arguments: &VerifyArguments) -> Result<(Chain, Evidence), Failure> {
    let chain = chain::load(&arguments.chain)?;
    let evidence = read(&arguments.file)?;
    evidence.verify(&chain.hash).or_fail(Exit::Refused, arguments.file.display())?;
    Ok((chain, evidence))
}

fn read(path: &Path) -> Result<Evidence, Failure> {
    let mut text = String::new();
    let file = File::open(path).or_fail(Exit::Usage, path.display())?;
    // Written for people, it has more space than on its way; twice as much is no evidence.
    let bytes_max = 2 * EVIDENCE_BYTES_MAX as u64;
    let got = file.take(bytes_max + 1).read_to_string(&mut text).or_fail(Exit::Usage, path.display())?;
    if got as u64 > bytes_max {
        let message = format!("{}: expected evidence of at most {bytes_max} bytes, got more", path.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    serde_json::from_str(&text).or_fail(Exit::Usage, path.display())
}

/// What it says, in a line for people.
fn describe(chain: &Chain, evidence: &Evidence) -> String {
    let who = match evidence.seat(&chain.committee) {
        Ok(seat) => format!("seat {seat} of chain.toml's committee"),
        Err(_) => "a key that is not of chain.toml's committee".into(),
    };
    let [first, second] = evidence.votes.map(|vote| choice(&vote.choice));
    let Evidence { epoch, view, .. } = evidence;
    format!(
        "epoch {epoch} view {view}: {who}, key 0x{}…, signed both {first} and {second}",
        hex::encode(&evidence.bls_key[..8])
    )
}

fn choice(choice: &Choice) -> String {
    match choice {
        Choice::Notarize { parent_view, payload } => format!("to notarize 0x{payload} on view {parent_view}"),
        Choice::Nullify => "to give the view up".into(),
        Choice::Finalize { parent_view, payload } => format!("to finalize 0x{payload} on view {parent_view}"),
    }
}

async fn submit(arguments: &SubmitArguments) -> Result<(), Failure> {
    let (_, evidence) = verified(&arguments.piece)?;
    let signer = read_key(&arguments.key_file)?;
    let reporter = arguments.reporter.unwrap_or_else(|| signer.address());
    let report = Report::new(&evidence, reporter).or_fail(Exit::Refused, "the evidence's key")?;
    let call = report_call(&report).or_fail(Exit::Refused, "the evidence's votes")?;
    let provider = connect(&arguments.l1, Some(&signer))?;
    let request =
        TransactionRequest::default().with_from(signer.address()).with_to(arguments.contract).with_input(call);
    // Asked first, a report that the contract refuses costs nothing and says why.
    provider.call(request.clone()).await.or_fail(Exit::Refused, "the contract refuses the report")?;
    let pending = provider.send_transaction(request).await.or_fail(Exit::Failed, "sending the report")?;
    let receipt = pending.with_timeout(Some(RECEIPT_MAX)).get_receipt().await.or_fail(Exit::Failed, "the report")?;
    if !receipt.status() {
        let message = format!("transaction {} failed: somebody else's report was first", receipt.transaction_hash);
        return Err(Failure::new(Exit::Refused, message));
    }
    print_result(json!({
        "transaction": receipt.transaction_hash,
        "block": receipt.block_number,
        "gas": receipt.gas_used,
        "reporter": reporter,
    }))
}
