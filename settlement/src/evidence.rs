//! The `Evidence` contract from outside: two signed votes of one view that exclude each other slash who cast them.

use crate::light_client::point;
use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::{SolCall, SolConstructor},
};
pub use sinter_primitives::evidence::{Choice as Subject, SignedVote as Vote};
use sinter_primitives::{
    Digest,
    certificate::CertificateError,
    committee::{CommitteeError, uncompress_key},
    evidence::Evidence,
};

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Evidence,
        "artifacts/Evidence.json"
    );
}

use contract::Evidence as Contract;

/// Two votes by one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The key, uncompressed as the registry has it.
    pub key: [u8; 192],
    /// The epoch of both.
    pub epoch: u64,
    /// The view of both.
    pub view: u64,
    /// The votes, in any order.
    pub votes: [Vote; 2],
    /// Who gets the reward.
    pub reporter: Address,
}

impl Report {
    /// What a node's evidence says on L1; `reporter` gets the reward.
    ///
    /// # Errors
    /// [`CommitteeError::PublicKey`] when its key is none.
    pub fn new(evidence: &Evidence, reporter: Address) -> Result<Self, CommitteeError> {
        let Evidence { epoch, view, votes, .. } = *evidence;
        Ok(Self { key: uncompress_key(&evidence.bls_key)?, epoch, view, votes, reporter })
    }
}

/// The code that creates the contract. The registry's parameters have to name its address, so one of the two has to be predicted:
/// [`crate::light_client::predicted_address`].
#[must_use]
pub fn creation_code(registry: Address, chain_hash: &Digest) -> Bytes {
    let arguments =
        Contract::constructorCall { registry_: registry, chainHash_: B256::from_slice(chain_hash.as_ref()) };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The call that has the registry slash whoever cast both votes.
///
/// # Errors
/// [`CertificateError::Signature`] when a signature is no point.
pub fn report_call(report: &Report) -> Result<Bytes, CertificateError> {
    let [first, second] = report.votes;
    let call = Contract::reportCall {
        key: report.key.to_vec().into(),
        epoch: report.epoch,
        viewNumber: report.view,
        first: encode(&first)?,
        second: encode(&second)?,
        reporter: report.reporter,
    };
    Ok(call.abi_encode().into())
}

fn encode(vote: &Vote) -> Result<Contract::Vote, CertificateError> {
    // As simplex numbers them.
    let (kind, view, payload) = match vote.choice {
        Subject::Notarize { parent_view, payload } => (0, parent_view, payload),
        Subject::Nullify => (1, 0, Digest([0; 32])),
        Subject::Finalize { parent_view, payload } => (2, parent_view, payload),
    };
    Ok(Contract::Vote {
        kind,
        parentView: view,
        payload: B256::from_slice(payload.as_ref()),
        signature: point(&vote.signature)?,
    })
}
