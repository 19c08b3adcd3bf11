//! `AggregationHub`, the gateway in front of it, and the adapters: what a rollup's calls and proofs look like.

use alloy::{
    primitives::{Address, B256, Bytes, FixedBytes},
    sol_types::{SolCall, SolConstructor},
};
use sinter_primitives::statements::{self, STATEMENT_BYTES};

/// The bindings that the checked-in artifacts describe.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        AggregationHub,
        "artifacts/AggregationHub.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        SealGateway,
        "artifacts/SealGateway.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Sp1Adapter,
        "artifacts/Sp1Adapter.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        OpAdapter,
        "artifacts/OpAdapter.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        RiscZeroAdapter,
        "artifacts/RiscZeroAdapter.json"
    );
}

use contract::{AggregationHub, OpAdapter, RiscZeroAdapter, SealGateway, Sp1Adapter};

/// Bytes of a statement's public values: 64 big-endian `u32`s below the KoalaBear prime.
pub use sinter_primitives::transition::PUBLIC_VALUES_BYTES;

/// Which interface an adapter has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adapter {
    /// `ISP1Verifier.verifyProof(bytes32,bytes,bytes)`.
    Sp1,
    /// The OP Stack's `IZKVerifier.verify(bytes32,bytes,bytes)`.
    Op,
    /// `IRiscZeroVerifier.verify(bytes,bytes32,bytes32)`.
    RiscZero,
}

/// A statement's place in a settled batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The batch's Keccak statements root.
    pub root: B256,
    /// The statement's index, from 0.
    pub index: u32,
    /// The hashes beside the way from its leaf to the root, bottom up.
    pub path: Vec<B256>,
}

/// A hub's selector: the first four bytes of a proof for it.
#[must_use]
pub fn selector(hub: Address) -> FixedBytes<4> {
    FixedBytes::from_slice(&hub[..4])
}

/// A statement's leaf in the Keccak tree: the hash over those of its first, second and third 96 bytes.
#[must_use]
pub fn leaf(program_id: &B256, public_values: &[u8; PUBLIC_VALUES_BYTES]) -> B256 {
    let mut statement = [0; STATEMENT_BYTES];
    statement[..32].copy_from_slice(program_id.as_slice());
    statement[32..].copy_from_slice(public_values);
    statements::leaf(&statement).into()
}

/// The public values of a `journal` program: the journal's SHA-256 in 16 limbs of 16 bits, big-endian, then zeros.
#[must_use]
pub fn journal_public_values(journal_digest: &[u8; 32]) -> [u8; PUBLIC_VALUES_BYTES] {
    let mut public_values = [0; PUBLIC_VALUES_BYTES];
    for (element, limb) in public_values.as_chunks_mut::<4>().0.iter_mut().zip(journal_digest.as_chunks::<2>().0) {
        element[2..].copy_from_slice(limb);
    }
    public_values
}

/// A proof as adapters take it: selector ‖ root ‖ index (4) ‖ path.
#[must_use]
pub fn adapter_proof(hub: Address, place: &Place) -> Bytes {
    let mut proof = Vec::with_capacity(40 + 32 * place.path.len());
    proof.extend_from_slice(&hub[..4]);
    proof.extend_from_slice(place.root.as_slice());
    proof.extend_from_slice(&place.index.to_be_bytes());
    place.path.iter().for_each(|sibling| proof.extend_from_slice(sibling.as_slice()));
    proof.into()
}

/// The call that settles a seal, at the price of a storage read if its root is known by then.
#[must_use]
pub fn settle_call(root: B256, seal: Bytes) -> Bytes {
    AggregationHub::settleUnlessKnownCall { root, seal }.abi_encode().into()
}

/// The view call that a hub answers without a revert if the statement stands at that place of a batch that it has.
#[must_use]
pub fn check_call(statement: &[u8; STATEMENT_BYTES], place: &Place) -> Bytes {
    let (id, values) = statement.split_at(32);
    let call = AggregationHub::checkStatementCall {
        root: place.root,
        programId: B256::from_slice(id),
        publicValues: values.to_vec().into(),
        index: place.index,
        path: place.path.clone(),
    };
    call.abi_encode().into()
}

/// The code that creates a hub over a seal verifier.
#[must_use]
pub fn hub_creation_code(verifier: Address) -> Bytes {
    let arguments = AggregationHub::constructorCall { verifier_: verifier };
    [AggregationHub::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The code that creates a gateway whose first hub serves at once; further ones `delay_s` seconds after they were
/// announced.
#[must_use]
pub fn gateway_creation_code(owner: Address, delay_s: u64, first: Address) -> Bytes {
    let arguments = SealGateway::constructorCall { owner_: owner, delay_: delay_s, first };
    [SealGateway::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The code that creates an adapter; `hubs` is a gateway, or the hub that it is pinned to.
#[must_use]
pub fn adapter_creation_code(adapter: Adapter, hubs: Address) -> Bytes {
    let (code, arguments) = match adapter {
        Adapter::Sp1 => (&Sp1Adapter::BYTECODE, Sp1Adapter::constructorCall { hubs_: hubs }.abi_encode()),
        Adapter::Op => (&OpAdapter::BYTECODE, OpAdapter::constructorCall { hubs_: hubs }.abi_encode()),
        Adapter::RiscZero => {
            (&RiscZeroAdapter::BYTECODE, RiscZeroAdapter::constructorCall { hubs_: hubs }.abi_encode())
        }
    };
    [code.as_ref(), &arguments].concat().into()
}
