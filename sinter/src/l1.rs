//! `sinter l1`: the embedded development L1 by itself; and how every command talks to an L1.

use crate::{
    args::L1Command,
    exit::{Exit, Failure, OrFail, print_result},
    signals,
};
use alloy::{
    network::TransactionBuilder,
    primitives::{Address, U256},
    providers::{DynProvider, Provider as _},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
    transports::{RpcError, TransportErrorKind},
};
use sinter_settlement::{
    dev_l1::{self, DEV_KEYS, DevL1Config},
    registry::ether,
};
use std::time::Duration;

/// How long the L1 has to mine a transaction.
const RECEIPT_MAX: Duration = Duration::from_secs(300);

/// A client of an L1, which signs if there is who.
///
/// # Errors
/// When the URL is none.
pub fn connect(url: &str, signer: Option<&PrivateKeySigner>) -> Result<DynProvider, Failure> {
    sinter_settlement::l1::connect(url, signer).or_fail(Exit::Usage, "--l1")
}

/// A client of the L1 with this EIP-155 chain id, which signs if there is who.
///
/// # Errors
/// When the URL is none, or leads to another L1.
pub async fn connect_to(chain_id: u64, url: &str, signer: Option<&PrivateKeySigner>) -> Result<DynProvider, Failure> {
    let provider = connect(url, signer)?;
    let got = provider.get_chain_id().await.or_fail(Exit::Failed, "--l1")?;
    if got == chain_id {
        return Ok(provider);
    }
    Err(Failure::new(Exit::Usage, format!("--l1: expected L1 chain id {chain_id}, got {got}")))
}

/// Carries a call out, with ether, and waits until it is mined. The contract is asked first: what it refuses, and what the account
/// cannot pay, costs nothing and says why, by what `explain` makes of the data that it reverts with.
///
/// # Errors
/// With [`Exit::Refused`] when the contract refuses or the account has too little, with [`Exit::Failed`] when the L1 does not mine it.
pub async fn send<C: SolCall>(
    provider: &DynProvider,
    (from, to): (Address, Address),
    what: &str,
    call: &C,
    value: U256,
    explain: impl Fn(&[u8]) -> Option<String>,
) -> Result<TransactionReceipt, Failure> {
    let refused = |message: String| Failure::new(Exit::Refused, format!("{what}: {message}"));
    let explained = |error: &RpcError<TransportErrorKind>| {
        let data = error.as_error_resp().and_then(|payload| payload.as_revert_data());
        match data.and_then(|data| explain(&data)) {
            Some(words) => refused(words),
            None => Failure::because(Exit::Failed, what, error),
        }
    };
    let latest = provider.get_transaction_count(from).await.or_fail(Exit::Failed, "--l1")?;
    let pending = provider.get_transaction_count(from).pending().await.or_fail(Exit::Failed, "--l1")?;
    if pending > latest {
        // It may be this very call, from a run that did not wait for it.
        let waiting = "a transaction of this account waits to be mined: run this again when it is";
        return Err(Failure::new(Exit::Failed, format!("{what}: {from}: {waiting}")));
    }
    let balance = provider.get_balance(from).await.or_fail(Exit::Failed, "--l1")?;
    if balance < value {
        return Err(refused(format!("{from}: expected at least {}, got {}", ether(value), ether(balance))));
    }
    let request =
        TransactionRequest::default().with_from(from).with_to(to).with_input(call.abi_encode()).with_value(value);
    provider.call(request.clone()).await.map_err(|error| explained(&error))?;
    let gas = provider.estimate_gas(request.clone()).await.map_err(|error| explained(&error))?;
    let fees = provider.estimate_eip1559_fees().await.or_fail(Exit::Failed, "--l1")?;
    let gas_wei = U256::from(gas).saturating_mul(U256::from(fees.max_fee_per_gas));
    let needed = value.saturating_add(gas_wei);
    if balance < needed {
        let message = format!("expected at least {}, {} of it for gas", ether(needed), ether(gas_wei));
        return Err(refused(format!("{from}: {message}, got {}", ether(balance))));
    }
    let pending = provider.send_transaction(request).await.or_fail(Exit::Failed, what)?;
    let receipt = pending.with_timeout(Some(RECEIPT_MAX)).get_receipt().await.or_fail(Exit::Failed, what)?;
    if !receipt.status() {
        let message = "failed, though the contract would have taken it: something changed before it was mined";
        return Err(refused(format!("transaction {} {message}: run this again", receipt.transaction_hash)));
    }
    Ok(receipt)
}

/// Ether, as people write it, in wei.
///
/// # Errors
/// When it is none, or nothing.
pub fn parse_ether_amount(text: &str) -> Result<U256, String> {
    let expected = || format!("expected ether such as 32 or 0.5, with at most 18 decimals, got {text:?}");
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        || text.split('.').nth(1).is_some_and(|part| part.len() > 18)
    {
        return Err(expected());
    }
    alloy::primitives::utils::parse_ether(text).ok().filter(|wei| !wei.is_zero()).ok_or_else(expected)
}

/// Carries the command out.
///
/// # Errors
/// When the address cannot be listened on.
pub fn run(command: &L1Command) -> Result<(), Failure> {
    let L1Command::Dev { listen } = command;
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        let config = DevL1Config { listen: *listen, ..DevL1Config::default() };
        let chain_id = config.chain_id;
        let l1 = dev_l1::spawn(config).await.or_fail(Exit::Usage, "--listen")?;
        print_result(format_args!("L1 {} chain id {chain_id} genesis {}", l1.url(), l1.genesis_hash()))?;
        for (account, key) in DEV_KEYS.iter().enumerate() {
            print_result(format_args!("account {} key {key}", dev_l1::dev_signer(account).address()))?;
        }
        signals::interrupted().await.or_fail(Exit::Failed, "installing signal handlers")?;
        l1.shutdown().await;
        Ok(())
    })
}
