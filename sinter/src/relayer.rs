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
use sinter_primitives::receipt::{CertifiedHeader, TrustedNetwork};
use sinter_sequencer::rpc::{SinterApiClient, types::HeadEvent};
use sinter_settlement::{
    light_client,
    relayer::{Certified, Ends, Relayer, RelayerConfig, RelayerStatus},
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
    let (epoch, _) =
        light_client::newest_epoch(&provider, contract).await.or_fail(Exit::Failed, "reading the light client")?;
    let (headers, newest) = watch::channel(None);
    let stop = async {
        if let Err(error) = signals::interrupted().await {
            tracing::error!(%error, "no signal handlers");
        }
    };
    let feed = Feed::new(TrustedNetwork::from(&chain), (posted.height, epoch), headers, relayer.status());
    tokio::select! {
        outcome = relayer.run(newest, stop) => outcome.or_fail(Exit::Failed, ""),
        () = client::follow(arguments.rpc.clone(), posted.height + 1, feed) => Ok(()),
    }
}

/// Keeps the newest certified header, and the ends of epochs. The nodes are not trusted: what the committee did not sign
/// is not taken, and moves nothing.
pub struct Feed {
    ends: Ends,
    /// The last height that is known to be final.
    height: u64,
    headers: watch::Sender<Option<Certified>>,
    posted: watch::Receiver<RelayerStatus>,
}

impl Feed {
    /// One that begins where the L1 is: at this height and epoch. What is posted is forgotten.
    pub fn new(
        trusted: TrustedNetwork,
        (height, epoch): (u64, u64),
        headers: watch::Sender<Option<Certified>>,
        posted: watch::Receiver<RelayerStatus>,
    ) -> Self {
        Self { ends: Ends::new(trusted, epoch), height, headers, posted }
    }

    /// Keeps the ends of all epochs before `epoch`, each of which is verified, and waits where the L1 lacks too many of them.
    async fn follow(&mut self, node: &WsClient, epoch: u64) -> Result<(), ClientError> {
        while self.ends.trusted().epoch < epoch {
            for end in client::hand_overs(node, self.ends.trusted().epoch).await? {
                if self.ends.trusted().epoch == epoch {
                    break;
                }
                self.make_room().await?;
                self.ends.take(&end).map_err(client::not_handed_over)?;
                self.height = self.height.max(end.header.height);
            }
        }
        self.ends.forget(self.posted.borrow().verified_height);
        Ok(())
    }

    /// Has the L1 catch up until there is room for another end.
    async fn make_room(&mut self) -> Result<(), ClientError> {
        let verified = self.posted.borrow().verified_height;
        self.ends.forget(verified);
        let waits_for = self.ends.waits_for().filter(|height| *height > verified);
        if let (Some(height), Some(last)) = (waits_for, self.ends.kept().last()) {
            let newest = last.last.clone();
            self.publish(newest);
            let reached = self.posted.wait_for(|status| status.verified_height >= height).await.map(|_| ());
            reached.map_err(|_| ClientError::Custom("the relayer ended".into()))?;
        }
        Ok(())
    }

    fn publish(&self, newest: CertifiedHeader) {
        self.headers.send_replace(Some(Certified { newest, ends: self.ends.kept().to_vec() }));
    }
}

impl Follower for Feed {
    type Event = HeadEvent;

    async fn subscribe(&self, node: &WsClient, next: u64) -> Result<Subscription<HeadEvent>, ClientError> {
        node.subscribe_heads(Some(next), Some(true)).await
    }

    async fn take(&mut self, node: &WsClient, event: HeadEvent) -> Result<u64, ClientError> {
        let HeadEvent { header, certificate, .. } = event;
        // Of an epoch whose end is known, nothing is new.
        if let Some(certificate) = certificate
            && header.epoch >= self.ends.trusted().epoch
        {
            self.follow(node, header.epoch).await?;
            let certified = CertifiedHeader { header, certificate };
            let lie = |error| ClientError::Custom(format!("the header of height {}: {error}", header.height));
            certified.verify(self.ends.trusted()).map_err(lie)?;
            if header.height >= self.height {
                self.height = header.height;
                self.publish(certified);
            }
        }
        Ok(self.height)
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
