//! `sinter relayer`: certified headers from a network's nodes to its light client on L1.

use crate::{
    args::{RelayerArguments, RelayerCommand},
    chain,
    client::{self, Follower},
    exit::{Exit, Failure, OrFail},
    l1::connect,
    metrics, signals,
};
use alloy::signers::local::PrivateKeySigner;
use jsonrpsee::{
    core::client::{Error as ClientError, Subscription},
    ws_client::WsClient,
};
use sinter_ops::metrics::Machine;
use sinter_primitives::{
    Digest,
    receipt::{CertifiedHeader, TrustedNetwork},
};
use sinter_sequencer::rpc::{SinterApiClient, types::HeadEvent};
use sinter_settlement::{
    light_client,
    relayer::{Certified, Relayer, RelayerConfig},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tokio::sync::watch;

/// Carries the command out.
///
/// # Errors
/// When the input is wrong, or waiting cannot help: another L1, a journal that cannot be written.
pub fn run(command: &RelayerCommand) -> Result<(), Failure> {
    let RelayerCommand::Run(arguments) = command;
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(relay(arguments))
}

async fn relay(arguments: &RelayerArguments) -> Result<(), Failure> {
    let _metrics = metrics::serve(Machine::Relayer, arguments.metrics).await?;
    let chain = chain::load(&arguments.chain)?;
    let contract = chain.file.l1.light_client.parse().or_fail(Exit::Usage, "chain.toml: `l1.light_client`")?;
    fs::create_dir_all(&arguments.data_dir).or_fail(Exit::Usage, arguments.data_dir.display())?;
    let journal = arguments.data_dir.join("relayer.journal");
    let signer = read_key(&arguments.key_file)?;
    let config = RelayerConfig::new(arguments.l1.clone(), chain.file.l1.chain_id, contract, signer, journal);
    let provider = connect(&arguments.l1, None)?;
    let posted = light_client::head(&provider, contract).await.or_fail(Exit::Failed, "reading the light client")?;
    let relayer = Relayer::open(config).or_fail(Exit::Usage, "")?;
    let (headers, newest) = watch::channel(None);
    let stop = async {
        if let Err(error) = signals::interrupted().await {
            tracing::error!(%error, "no signal handlers");
        }
    };
    let feed = Feed { trusted: TrustedNetwork::from(&chain), headers };
    tokio::select! {
        outcome = relayer.run(newest, stop) => outcome.or_fail(Exit::Failed, ""),
        () = client::follow(arguments.rpc.clone(), posted.height + 1, feed) => Ok(()),
    }
}

/// Keeps the newest certified header, and the last ones of epochs. The nodes are not trusted: what the committee did not sign is
/// passed over.
pub struct Feed {
    /// Who has to have signed.
    pub trusted: TrustedNetwork,
    /// Where they go.
    pub headers: watch::Sender<Option<Certified>>,
}

/// Ends of epochs that wait for the L1 at most: of some two years of hours. Then the relayer has to be started again, from what is posted.
const ENDS_MAX: usize = 16_384;

impl Feed {
    fn keep(&self, certified: CertifiedHeader) {
        self.headers.send_modify(|headers| {
            let mut ends = headers.take().map(|headers| headers.ends).unwrap_or_default();
            if certified.header.next_committee != Digest([0; 32]) && ends.len() < ENDS_MAX {
                ends.push(certified.clone());
            }
            *headers = Some(Certified { newest: certified, ends });
        });
    }
}

impl Follower for Feed {
    type Event = HeadEvent;

    async fn subscribe(&self, node: &WsClient, next: u64) -> Result<Subscription<HeadEvent>, ClientError> {
        node.subscribe_heads(Some(next), Some(true)).await
    }

    async fn take(&mut self, node: &WsClient, event: HeadEvent) -> Result<u64, ClientError> {
        let height = event.header.height;
        if let Some(certificate) = event.certificate {
            client::hand_over(node, &mut self.trusted, event.header.epoch).await?;
            let certified = CertifiedHeader { header: event.header, certificate };
            match certified.verify(&self.trusted) {
                Ok(()) => self.keep(certified),
                Err(error) => tracing::warn!(%error, height, "a node sent a bad certificate"),
            }
        }
        Ok(height)
    }
}

/// Reads the private key of an L1 account: hex, readable by its owner alone.
///
/// # Errors
/// When the file cannot be read, others may read it, or it holds no key.
pub fn read_key(file: &Path) -> Result<PrivateKeySigner, Failure> {
    let what = format!("key file {}", file.display());
    let mode = fs::metadata(file).or_fail(Exit::Usage, &what)?.permissions().mode() & 0o777;
    // What systemd hands over as a credential is 0400.
    if mode != 0o600 && mode != 0o400 {
        return Err(Failure::new(Exit::Usage, format!("{what}: expected mode 0600 or 0400, got {mode:04o}")));
    }
    let text = fs::read_to_string(file).or_fail(Exit::Usage, &what)?;
    // The error never shows the text.
    let key = text.trim().parse();
    key.map_err(|_| Failure::new(Exit::Usage, format!("{what}: expected a secp256k1 key of 64 hex digits")))
}
