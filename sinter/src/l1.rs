//! `sinter l1`: the embedded development L1 by itself; and how every command talks to an L1.

use crate::{
    args::L1Command,
    exit::{Exit, Failure, OrFail, print_result},
    signals,
};
use alloy::{providers::DynProvider, signers::local::PrivateKeySigner};
use sinter_settlement::dev_l1::{self, DEV_KEYS, DevL1Config};

/// A client of an L1, which signs if there is who.
///
/// # Errors
/// When the URL is none.
pub fn connect(url: &str, signer: Option<&PrivateKeySigner>) -> Result<DynProvider, Failure> {
    sinter_settlement::l1::connect(url, signer).or_fail(Exit::Usage, "--l1")
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
