//! The aggregator service: it takes proofs in, keeps them, has them proved into batches, and loses none.
//!
//! ```text
//!            admission                 lanes: verify, prove, seal
//!               │                     ┌────────────────────────┐
//!  HTTP ──▶ intake ──▶ queue ◀──────▶ │ workers ──▶ Prove      │
//!               │        ▲            └───┬────────────────────┘
//!               ▼        │                │
//!             blobs ◀────┼────────────────┘
//!                    scheduler: closes batches, ends leases, collects garbage
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`queue`] | jobs, tasks and batches in SQLite or PostgreSQL: the one place where state changes |
//! | [`blobs`] | proofs, named by their hash, on disk or in S3 |
//! | [`admission`] | whether a job can be promised: a pure function |
//! | [`policy`] | when a batch closes: a pure function |
//! | [`tree`] | which nodes a batch's tree has: a pure function |
//! | [`prove`], [`provers`] | what does the proving, as a trait and as the CPU does it |
//! | [`worker`] | claims tasks, keeps their leases, and has them done |
//! | [`scheduler`] | what has to happen though nobody asks for it |
//! | [`submitter`] | brings what is sealed to the L1 |
//! | [`intake`] | the HTTP interface |
//! | [`service`] | all of it, running |
//! | [`metrics`] | the numbers |
//! | [`bench`](mod@bench) | how long taking a job in lasts |
//!
//! `docs/aggregator.md` has the states of a job, the tables, the interface and the guarantees.

pub mod admission;
pub mod bench;
pub mod blobs;
pub mod ids;
pub mod intake;
pub mod metrics;
pub mod policy;
pub mod prove;
pub mod provers;
pub mod queue;
pub mod scheduler;
pub mod service;
pub mod submitter;
pub mod tree;
pub mod worker;

pub use admission::{Policy as AdmissionPolicy, Refusal};
pub use blobs::{BlobError, Blobs};
pub use ids::{Account, BatchId, Hash, JobId};
pub use policy::BatchPolicy;
pub use prove::{Fault, Prove};
pub use provers::Provers;
pub use queue::{Queue, QueueError};
pub use service::Service;
pub use submitter::Submitter;
