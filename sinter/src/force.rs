//! `sinter force`: a transaction that the committee must order, by way of the L1.

use crate::{
    chain, client,
    exit::{Exit, Failure, OrFail, print_result},
    l1::connect,
    namespace::is_open,
    relayer::read_key,
};
use alloy::{
    primitives::{Address, Bytes, TxHash},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    sol_types::SolCall as _,
};
use clap::Args;
use serde_json::{Value, json};
use sinter_primitives::{
    Chain, Namespace,
    fees::OPENED_FIRST,
    forced_inbox::{ForcedEntry, PAYLOAD_BYTES_MAX},
};
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, TransactionStatus},
};
use sinter_settlement::forced_inbox;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// `sinter force`.
#[derive(Debug, Args)]
pub struct ForceArguments {
    /// The network's chain.toml, with an `[l1.forced_inbox]`
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// Whose lane the transaction is for
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// File with the transaction's bytes, as the namespace's rollup takes them
    #[arg(long, value_name = "FILE")]
    pub payload: PathBuf,
    /// File with the private key of the L1 account that pays, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// A member's RPC: wait until the transaction is final there
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// The longest to wait for that
    #[arg(long, value_name = "SECONDS", default_value_t = 2_400, requires = "rpc")]
    pub wait_s: u64,
}

/// Carries the command out.
///
/// # Errors
/// With [`Exit::Refused`] when the contract does not take it, and [`Exit::Failed`] when it is not final in time.
pub fn run(arguments: &ForceArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        let chain = chain::load(&arguments.chain)?;
        let namespace = Namespace(arguments.namespace);
        let may_be_open = chain.file.fees.is_some() && namespace.0 >= OPENED_FIRST;
        if chain.namespace(namespace).is_none() && !may_be_open {
            let open = chain.file.namespaces.iter().map(|spec| spec.id.to_string()).collect::<Vec<_>>().join(", ");
            let message = format!("--namespace: expected one that is open ({open}), got {namespace}");
            return Err(Failure::new(Exit::Usage, message));
        }
        let payload = fs::read(&arguments.payload).or_fail(Exit::Usage, arguments.payload.display())?;
        if payload.is_empty() || payload.len() > PAYLOAD_BYTES_MAX {
            let message = format!("--payload: expected 1 to {PAYLOAD_BYTES_MAX} bytes, got {}", payload.len());
            return Err(Failure::new(Exit::Usage, message));
        }
        let signer = read_key(&arguments.key_file)?;
        let provider = connect(&arguments.l1, Some(&signer))?;
        if may_be_open && !is_open(&provider, contract(&chain)?, namespace).await? {
            let message = format!("--namespace: {namespace} is not open: expected one that somebody has opened on L1");
            return Err(Failure::new(Exit::Usage, message));
        }
        let (transaction, entry) = append(&provider, signer.address(), &chain, namespace, payload.into()).await?;
        let Some(url) = &arguments.rpc else {
            return print_result(tell(&chain, transaction, &entry, None));
        };
        let wait = Duration::from_secs(arguments.wait_s);
        let (entry, height) = ordered(&provider, &chain, transaction, (url, wait)).await?;
        print_result(tell(&chain, transaction, &entry, Some(height)))
    })
}

/// What is known of an entry. Its number, and so its id, may change until its L1 block is final.
fn tell(chain: &Chain, transaction: TxHash, entry: &ForcedEntry, height: Option<u64>) -> Value {
    let id = entry.transaction().id(chain.file.chain_id);
    let (index, l1_block) = (entry.index, entry.l1_block);
    json!({ "transaction": transaction, "l1_block": l1_block, "index": index, "id": format!("0x{id}"), "height": height })
}

fn contract(chain: &Chain) -> Result<Address, Failure> {
    let inbox = chain.file.l1.forced_inbox.as_ref().ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "chain.toml: expected `[l1.forced_inbox]`, got none: nothing can be forced on this chain",
        )
    })?;
    Ok(inbox.address().into())
}

/// Appends a transaction to a chain's forced inbox, by an account that the provider signs for.
///
/// # Errors
/// With [`Exit::Refused`] when the contract does not take it.
pub async fn append(
    provider: &DynProvider,
    sender: Address,
    chain: &Chain,
    namespace: Namespace,
    payload: Bytes,
) -> Result<(TxHash, ForcedEntry), Failure> {
    let contract = contract(chain)?;
    // Asked first, what the contract refuses costs nothing and says why.
    let call = forced_inbox::forceCall { namespace: namespace.0, payload: payload.clone() }.abi_encode();
    let request = TransactionRequest::default().from(sender).to(contract).input(Bytes::from(call).into());
    if let Err(error) = provider.call(request).await {
        let data = error.as_error_resp().and_then(|response| response.as_revert_data());
        return Err(match data.and_then(|data| forced_inbox::refusal(&data)) {
            Some(refusal) => {
                Failure::new(Exit::Refused, format!("the forced inbox at {contract} refuses it: {refusal:?}"))
            }
            None => Failure::because(Exit::Failed, format_args!("asking the forced inbox at {contract}"), &error),
        });
    }
    let appended = forced_inbox::force(provider, sender, contract, namespace, payload).await;
    appended.or_fail(Exit::Failed, "appending to the forced inbox")
}

/// Waits until what a transaction of the L1 appended is final at a member; gives the entry and its height. The L1 is asked again and
/// again: a block that is taken back there may give the entry another number.
///
/// # Errors
/// When it is not, in time.
pub async fn ordered(
    provider: &DynProvider,
    chain: &Chain,
    transaction: TxHash,
    (url, wait): (&str, Duration),
) -> Result<(ForcedEntry, u64), Failure> {
    let (node, contract) = (client::http(url)?, contract(chain)?);
    let deadline = Instant::now() + wait;
    let mut last = String::from("nothing");
    while Instant::now() < deadline {
        match forced_inbox::entry_of(provider, contract, transaction).await {
            Ok(Some(entry)) => match node.receipt(Id(entry.transaction().id(chain.file.chain_id))).await {
                Ok(TransactionStatus::Finalized { receipt }) => return Ok((entry, receipt.height)),
                Ok(status) => last = format!("entry {} {status:?}", entry.index),
                Err(error) => last = error.to_string(),
            },
            Ok(None) => last = "no L1 block has it any more".into(),
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let message =
        format!("{url}: expected what {transaction} forced to be final within {} s, got {last}", wait.as_secs());
    Err(Failure::new(Exit::Failed, message))
}
