//! What both machines speak: the committee that orders and the appliance that folds agree on these
//! types, and on nothing else.
//!
//! | module | holds |
//! |---|---|
//! | [`chain`] | `chain.toml`: the one file that defines a network, and the hash that names it |
//! | [`transaction`] | a namespace's opaque payload, with its kind and expiry |
//! | [`header`], [`body`], [`block`] | what the committee signs, and what it orders |
//! | [`merkle`], [`table`] | SHA-256 Merkle trees, and the namespace table under a header |
//! | [`accumulator`] | a namespace's running Poseidon2 commitment to everything ordered for it |
//! | [`ledger`] | what carries over from block to block for every open namespace |
//! | [`fees`] | what ordering costs, and who earns it |
//! | [`forced_inbox`] | what the committee must order |
//! | [`inbox`] | what a rollup takes from the L1 on its own, and what it gives back |
//! | [`committee`], [`certificate`] | seats with their BLS keys, and the aggregated signature they make |
//! | [`evidence`] | two votes of one seat that exclude each other |
//! | [`draw`], [`reveals`] | who has a seat and who leads, and the leaders' part in the seed |
//! | [`registry`] | who can be drawn: the L1's registry, rebuilt from its records |
//! | [`network`], [`header_chain`] | what a verifier trusts, and headers under a certificate of it |
//! | [`hand_over`] | from one epoch's committee to the next |
//! | [`receipt`], [`range`] | proofs for people who trust nobody but a committee |
//! | [`statements`] | the Keccak tree over what a batch of proofs proves, as contracts open it |
//! | [`hexadecimal`] | bytes as text in JSON and TOML |
//!
//! Every encoding is canonical (`encode(decode(bytes)) == bytes`), bounded before it allocates, and
//! laid out byte by byte in `docs/protocol.md`.

pub mod accumulator;
pub mod address;
pub mod answers;
pub mod block;
pub mod body;
pub mod certificate;
pub mod chain;
pub mod committee;
pub mod decimal;
pub mod draw;
pub mod evidence;
pub mod fees;
pub mod forced_inbox;
pub mod hand_over;
pub mod header;
pub mod header_chain;
pub mod hexadecimal;
pub mod inbox;
pub mod ledger;
pub mod merkle;
pub mod network;
pub mod poseidon2;
pub mod range;
pub mod receipt;
pub mod registry;
pub mod reveals;
pub mod statements;
pub mod table;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod transaction;
pub mod transition;

pub use accumulator::Accumulator;
pub use block::Block;
pub use body::Body;
pub use certificate::Certificate;
pub use chain::{Chain, Parameters};
pub use committee::Committee;
pub use commonware_cryptography::sha256::Digest;
pub use header::Header;
pub use ledger::Ledger;
pub use table::{NamespaceLeaf, NamespaceTable};
pub use transaction::{Namespace, Transaction, TransactionId, TransactionKind};
pub use transition::Transition;
