//! Claims tasks, keeps their leases, and has them done.
//!
//! A worker holds nothing that the queue does not: when it vanishes, its lease ends and the task is somebody else's. What it
//! makes is in a blob before it says that it is done; a worker that finds its lease gone throws its result away. It is gone by
//! its own clock, too: a worker that could not prolong it for as long as it lasts, and gets no answer, does not wait to be told.
//! Whether that is before or after another has the task does not matter: the queue takes a result from the last claim alone.

use crate::{
    blobs::{BlobError, Blobs},
    ids::Hash,
    metrics,
    prove::{Fault, ProgramFile, Prove},
    queue::{Claim, Done, Failed, Lane, Lease, ProgramInput, Queue, QueueError, Work},
};
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Times that a result is offered to a database that does not answer.
const REPORTS_MAX: u32 = 30;
/// Between two of them, and after a claim that failed.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two announcements that this worker is there.
const ANNOUNCE: Duration = Duration::from_secs(15);

/// How a worker works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Its name, which no other box has.
    pub name: String,
    /// How many tasks of each lane at a time.
    pub slots: Vec<(Lane, u32)>,
    /// How often it looks for work though nobody says that there is some.
    pub poll: Duration,
}

impl Options {
    /// One task of each lane at a time.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), slots: Lane::ALL.map(|lane| (lane, 1)).into(), poll: Duration::from_secs(1) }
    }

    /// So many proofs at a time, at least one.
    #[must_use]
    pub fn with_proofs_at_once(mut self, count: u32) -> Self {
        for (_, slots) in self.slots.iter_mut().filter(|(lane, _)| *lane == Lane::Prove) {
            *slots = count.max(1);
        }
        self
    }

    fn provers(&self) -> u32 {
        self.slots.iter().filter(|(lane, _)| *lane == Lane::Prove).map(|(_, slots)| slots).sum()
    }
}

/// A worker. Clones are the same worker.
pub struct Worker<P> {
    queue: Queue,
    blobs: Blobs,
    prove: Arc<P>,
    options: Arc<Options>,
}

impl<P> Clone for Worker<P> {
    fn clone(&self) -> Self {
        let Self { queue, blobs, prove, options } = self;
        Self { queue: queue.clone(), blobs: blobs.clone(), prove: prove.clone(), options: options.clone() }
    }
}

/// A lease, and until when it is this worker's, whatever happens elsewhere: as long as a lease from before the queue was asked.
#[derive(Clone, Copy)]
struct Held {
    lease: Lease,
    until: Instant,
}

/// Why a task has no result.
enum Stopped {
    /// It failed, and the queue is to know.
    Failed(Failed, &'static str),
    /// The lease is gone.
    Lost,
}

impl From<BlobError> for Stopped {
    fn from(error: BlobError) -> Self {
        metrics::storage_error();
        // A store that is full or away is nobody's fault, and not counted as one.
        Self::Failed(Failed::Later(error.to_string()), "storage")
    }
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid(reason) => Self::Failed(Failed::Invalid(reason), "input"),
            Fault::Failed(reason) => Self::Failed(Failed::Error(reason), "prover"),
        }
    }
}

/// The bytes of a task's inputs.
enum Inputs {
    Program { input: ProgramInput, file: Bytes, proof: Bytes },
    Nodes { left: Bytes, right: Bytes },
    Root { root: Bytes, statements: Vec<Vec<u8>> },
    None,
}

/// What comes of a task.
enum Output {
    Done(Done),
    Bytes(Vec<u8>),
}

impl<P: Prove> Worker<P> {
    /// A worker of this queue and these blobs.
    pub fn new(queue: Queue, blobs: Blobs, prove: Arc<P>, options: Options) -> Self {
        Self { queue, blobs, prove, options: Arc::new(options) }
    }

    /// Works until it is stopped; what it is doing then is given back.
    pub async fn run(self, stop: CancellationToken) {
        let mut slots = JoinSet::new();
        for &(lane, count) in &self.options.slots {
            for _ in 0..count {
                slots.spawn(self.clone().slot(lane, stop.clone()));
            }
        }
        slots.spawn(self.announce(stop));
        while slots.join_next().await.is_some() {}
    }

    async fn announce(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            if let Err(error) = self.queue.announce(&self.options.name, self.options.provers()).await {
                tracing::warn!(%error, "the queue does not know that this worker is there");
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(ANNOUNCE) => {}
            }
        }
        // Nobody is to count on it any more; if that cannot be said, it is forgotten after a minute.
        let _ = self.queue.announce(&self.options.name, 0).await;
    }

    async fn slot(self, lane: Lane, stop: CancellationToken) {
        let mut waiter = self.queue.waiter();
        while !stop.is_cancelled() {
            waiter.forget();
            let wait = match self.step(lane, &stop).await {
                Ok(true) => continue,
                Ok(false) => self.options.poll,
                Err(error) => {
                    metrics::storage_error();
                    tracing::warn!(%error, lane = lane.as_str(), "no task can be had");
                    PAUSE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = waiter.wait(wait) => {}
            }
        }
    }

    /// Claims one task of a lane and does it. Whether there was one.
    ///
    /// # Errors
    /// When no task can be claimed. What becomes of one that was is said to the queue.
    pub async fn step(&self, lane: Lane, stop: &CancellationToken) -> Result<bool, QueueError> {
        let asked = Instant::now();
        let Some(Claim { lease, work }) = self.queue.claim(lane, &self.options.name).await? else { return Ok(false) };
        let mut held = Held { lease, until: asked + self.lease() };
        let (kind, started) = (work.kind(), Instant::now());
        let mut attempt = std::pin::pin!(self.attempt(work));
        let outcome = tokio::select! {
            outcome = &mut attempt => outcome,
            () = self.keep(&mut held) => {
                // A proof cannot be stopped, and two at a time would need twice the memory.
                let _ = attempt.await;
                Err(Stopped::Lost)
            }
            () = stop.cancelled() => {
                // If this is not heard, the lease ends by itself.
                let _ = self.queue.give_back(&held.lease).await;
                return Ok(true);
            }
        };
        let took = started.elapsed();
        self.report(held, kind, took, outcome).await;
        Ok(true)
    }

    /// Says what came of a task, again and again while the database does not answer and the lease lasts.
    async fn report(&self, mut held: Held, kind: &'static str, took: Duration, mut outcome: Result<Output, Stopped>) {
        let Held { lease, .. } = held;
        for _ in 0..REPORTS_MAX {
            let said = match &outcome {
                Ok(Output::Done(done)) => self.complete(&lease, done, took).await,
                Ok(Output::Bytes(bytes)) => match self.blobs.put(bytes.clone().into()).await {
                    Ok(blob) => self.complete(&lease, &Done::Made { blob }, took).await,
                    Err(error) => {
                        outcome = Err(error.into());
                        continue;
                    }
                },
                Err(Stopped::Failed(failed, fault)) => {
                    metrics::task_failed(kind, fault);
                    tracing::warn!(task = %lease.task, kind, ?failed, "a task failed");
                    self.queue.fail(&lease, failed).await
                }
                Err(Stopped::Lost) => Err(QueueError::Fenced { task: lease.task }),
            };
            match said {
                Ok(()) => {
                    if outcome.is_ok() {
                        metrics::task_done(kind, took);
                    }
                    return;
                }
                Err(QueueError::Fenced { .. }) => {
                    metrics::fenced();
                    tracing::warn!(task = %lease.task, kind, "a result is not needed any more: the lease ended");
                    return;
                }
                Err(error) => {
                    metrics::storage_error();
                    tracing::warn!(task = %lease.task, kind, %error, "a result cannot be reported yet");
                }
            }
            // The lease is kept meanwhile, if that can be heard.
            if self.prolong(&mut held).await.is_err_and(|error| matches!(error, QueueError::Fenced { .. })) {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        tracing::error!(task = %lease.task, kind, "a result was never reported: the task will be done again");
    }

    async fn complete(&self, lease: &Lease, done: &Done, took: Duration) -> Result<(), QueueError> {
        self.queue.complete(lease, done, u64::try_from(took.as_millis()).unwrap_or(u64::MAX)).await
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.queue.options().lease_ms).unwrap_or_default())
    }

    /// Prolongs a lease for as long as it can be. Returns when it is lost.
    async fn keep(&self, held: &mut Held) {
        let third = (self.lease() / 3).max(Duration::from_millis(1));
        let mut pause = third;
        loop {
            tokio::time::sleep(pause).await;
            pause = match self.prolong(held).await {
                Ok(()) => third,
                Err(QueueError::Fenced { .. }) => return,
                Err(error) => {
                    metrics::storage_error();
                    tracing::warn!(task = %held.lease.task, %error, "a lease cannot be prolonged just now");
                    PAUSE.min(third)
                }
            };
        }
    }

    /// Prolongs a lease. One that is over, and of which the queue does not say that it is not, is lost: it is perhaps somebody
    /// else's already.
    async fn prolong(&self, held: &mut Held) -> Result<(), QueueError> {
        let asked = Instant::now();
        match self.queue.heartbeat(&held.lease).await {
            Ok(()) => held.until = asked + self.lease(),
            Err(error) if Instant::now() < held.until => return Err(error),
            Err(_) => return Err(QueueError::Fenced { task: held.lease.task }),
        }
        Ok(())
    }

    async fn attempt(&self, work: Work) -> Result<Output, Stopped> {
        let inputs = self.inputs(&work).await?;
        let prove = self.prove.clone();
        let output = tokio::task::spawn_blocking(move || perform(&*prove, &work, &inputs)).await;
        let panicked = |_| Stopped::Failed(Failed::Error("the prover panicked".into()), "prover");
        Ok(output.map_err(panicked)??)
    }

    async fn inputs(&self, work: &Work) -> Result<Inputs, Stopped> {
        Ok(match work {
            Work::Register { program } => {
                Inputs::Program { input: program.clone(), file: self.file(program).await?, proof: Bytes::new() }
            }
            Work::Verify { program, proof, .. } | Work::Wrap { program, proof, .. } => {
                let (file, proof) = (self.file(program).await?, self.blob(proof).await?);
                Inputs::Program { input: program.clone(), file, proof }
            }
            Work::Null { .. } => Inputs::None,
            Work::Fold { left, right, .. } => {
                Inputs::Nodes { left: self.blob(left).await?, right: self.blob(right).await? }
            }
            Work::Seal { root, statements, .. } => {
                Inputs::Root { root: self.blob(root).await?, statements: statements.clone() }
            }
        })
    }

    async fn file(&self, program: &ProgramInput) -> Result<Bytes, Stopped> {
        match &program.file {
            Some(file) => self.blob(file).await,
            None => Ok(Bytes::new()),
        }
    }

    async fn blob(&self, blob: &Hash) -> Result<Bytes, Stopped> {
        self.blobs.get(blob).await.map_err(|error| {
            if error.is_gone() {
                let reason = error.to_string();
                Stopped::Failed(Failed::Missing { blob: *blob, reason }, "storage")
            } else {
                error.into()
            }
        })
    }
}

/// Does a task, on a thread of its own.
fn perform(prove: &impl Prove, work: &Work, inputs: &Inputs) -> Result<Output, Fault> {
    match (work, inputs) {
        (Work::Register { .. }, Inputs::Program { input, file, .. }) => {
            let program_id = prove.register(program(input, file))?;
            Ok(Output::Done(Done::Registered { program_id }))
        }
        (Work::Verify { .. }, Inputs::Program { input, file, proof }) => {
            let statement = prove.verify(program(input, file), proof)?;
            Ok(Output::Done(Done::Verified { statement }))
        }
        (Work::Wrap { .. }, Inputs::Program { input, file, proof }) => {
            prove.wrap(program(input, file), proof).map(Output::Bytes)
        }
        (Work::Null { .. }, _) => prove.null().map(Output::Bytes),
        (Work::Fold { .. }, Inputs::Nodes { left, right }) => prove.fold(left, right).map(Output::Bytes),
        (Work::Seal { .. }, Inputs::Root { root, statements }) => prove.seal(root, statements).map(Output::Bytes),
        (work, _) => Err(Fault::Failed(format!("a {} without its inputs", work.kind()))),
    }
}

fn program<'a>(input: &'a ProgramInput, file: &'a Bytes) -> ProgramFile<'a> {
    ProgramFile { digest: &input.digest, bytes: file, program_id: input.program_id.as_ref() }
}
