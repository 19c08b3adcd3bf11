//! All of a box, running: interface, worker and scheduler over one queue and one store.

use crate::{
    blobs::Blobs,
    intake::{self, Intake, Listener},
    prove::Prove,
    queue::Queue,
    scheduler::{self, Scheduler},
    submitter::Submitter,
    worker::{self, Worker},
};
use sinter_settlement::seals::SealsConfig;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What a box is made of.
pub struct Service<P> {
    /// The queue.
    pub queue: Queue,
    /// The proofs.
    pub blobs: Blobs,
    /// What does the proving.
    pub prove: Arc<P>,
    /// How it works.
    pub worker: worker::Options,
    /// How it is looked after.
    pub scheduler: scheduler::Options,
    /// How it is reached.
    pub intake: intake::Options,
    /// What the L1's gas costs, in gwei, where that is known.
    pub gas_gwei: watch::Receiver<Option<u64>>,
    /// The L1, where batches are settled from here.
    pub settle: Option<SealsConfig>,
}

impl<P: Prove> Service<P> {
    /// Runs until it is stopped. Requests are finished, leases given back, connections closed.
    ///
    /// A proof that is being made cannot be stopped: a process that does not want to wait for it exits.
    pub async fn run(self, listener: impl Into<Listener>, stop: CancellationToken) {
        let Self { queue, blobs, prove, worker, scheduler, intake, gas_gwei, settle } = self;
        let intake = Intake::new(queue.clone(), blobs.clone(), intake);
        let scheduler = Scheduler::new(queue.clone(), blobs.clone(), scheduler, gas_gwei);
        let worker = Worker::new(queue.clone(), blobs.clone(), prove, worker);
        let submit = async {
            if let Some(config) = settle {
                Submitter::new(queue.clone(), blobs, config).run(stop.clone()).await;
            }
        };
        tokio::join!(
            intake.serve(listener, stop.clone()),
            scheduler.run(stop.clone()),
            worker.run(stop.clone()),
            submit
        );
        queue.close().await;
    }
}
