//! The batch on its way to the L1: the seal, and the hub's answer about every statement.

use super::{
    directory::Directory,
    fold::{Folded, Proved},
    l1::{BACKOFF_MAX, L1, POLL, REPLACE_AFTER},
    network::Network,
    snapshot::Snapshot,
};
use crate::{
    exit::{Exit, Failure, OrFail},
    l1::connect,
};
use alloy::{
    primitives::{Address, B256, TxKind},
    providers::Provider,
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use sinter_primitives::statements::StatementTree;
use sinter_settlement::{
    hub::{Place, check_call},
    seals::{Depth, SealState, SealSubmitter, SealsConfig},
};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// How deep the batch's root has to be.
const DEPTH: Depth = Depth::Blocks(2);

/// What came of the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Its root.
    pub folded: Folded,
    /// Whether its seal has production's parameters.
    pub production: bool,
    /// The bits that it proves.
    pub proven_bits: f64,
    /// Bytes of the seal.
    pub seal_bytes: usize,
    /// From the root to the seal, circuits included.
    pub sealing: Duration,
    /// The hub that has it.
    pub hub: Address,
    /// Its Keccak statements root.
    pub root: B256,
    /// The transaction that brought it.
    pub transaction: B256,
    /// What that used.
    pub gas_used: u64,
    /// Where the statements stand, in their order: the hub answered for each of them.
    pub places: Vec<Place>,
    /// From the seal to the hub's having it.
    pub settling: Duration,
}

/// Who brings the batch to the L1, and where.
pub struct Settler {
    url: String,
    chain_id: u64,
    signer: PrivateKeySigner,
    journal: PathBuf,
    snapshot: Arc<watch::Sender<Snapshot>>,
}

impl Settler {
    /// The settler of a run.
    ///
    /// # Errors
    /// When what is left of an L1 that is gone cannot be removed.
    pub fn new(
        directory: &Directory,
        network: &Network,
        l1: &L1,
        snapshot: Arc<watch::Sender<Snapshot>>,
    ) -> Result<Self, Failure> {
        let journal = directory.settle_journal();
        l1.forget(&journal)?;
        let chain_id = network.chain.file.l1.chain_id;
        Ok(Self { url: l1.url.clone(), chain_id, signer: l1.settler.clone(), journal, snapshot })
    }

    /// Settles in the hub, and asks it about every statement.
    ///
    /// # Errors
    /// When the L1 refuses.
    pub async fn settle(self, proved: Proved, hub: Address) -> Result<Batch, Failure> {
        let started = Instant::now();
        let Proved { folded, statements, sealed, production } = proved;
        let provider = connect(&self.url, None)?;

        let usual = SealsConfig::new(self.url, self.chain_id, hub, self.signer, self.journal);
        let config =
            SealsConfig { depth: DEPTH, poll: POLL, replace_after: REPLACE_AFTER, backoff_max: BACKOFF_MAX, ..usual };
        let submitter = SealSubmitter::open(config, &[sealed.bytes.clone().into()]).or_fail(Exit::Failed, "")?;
        let status = submitter.status();
        submitter.run(std::future::pending()).await.or_fail(Exit::Failed, "settling the batch")?;
        let seal = status.borrow().seals.first().cloned();
        let seal = seal.ok_or_else(|| Failure::new(Exit::Failed, "the submitter knows of no seal"))?;
        if let SealState::Refused(refusal) = seal.state {
            return Err(Failure::new(Exit::Refused, format!("the seal of the batch: {refusal}")));
        }
        // An earlier run on the same L1 may have brought the same batch.
        let (transaction, gas_used) =
            seal.delivery.map_or_else(Default::default, |delivery| (delivery.transaction, delivery.gas_used));

        let bytes: Vec<_> = statements.iter().map(sinter_recursion::Statement::to_bytes).collect();
        let tree = StatementTree::new(&bytes);
        let root = B256::from(sealed.claim.root);
        let mut places = Vec::with_capacity(bytes.len());
        for (index, statement) in bytes.iter().enumerate() {
            let path = tree.path(index).unwrap_or_default().into_iter().map(B256::from).collect();
            let place = Place { root, index: index as u32, path };
            let input = check_call(statement, &place);
            places.push(place);
            let request = TransactionRequest { to: Some(TxKind::Call(hub)), input: input.into(), ..Default::default() };
            provider.call(request).await.or_fail(Exit::Refused, format_args!("the hub on statement {index}"))?;
        }
        self.snapshot.send_modify(|snapshot| snapshot.fold.settled = true);
        Ok(Batch {
            folded,
            production,
            proven_bits: sealed.proven_bits,
            seal_bytes: sealed.bytes.len(),
            sealing: sealed.wall() + sealed.build,
            hub,
            root,
            transaction,
            gas_used,
            places,
            settling: started.elapsed(),
        })
    }
}
