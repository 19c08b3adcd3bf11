//! `SealVerifier` from outside: deploy it with the program of an AIR, encode calls, and measure it.
//!
//! What `sinter_seal::evm` makes of the AIR is deployed, data and parts, a contract each, then the verifier, which is told
//! their addresses. [`Bench`] runs them in a bare EVM, without chain or RPC, and says what each part of a verification costs.

use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256},
    sol_types::{SolCall, SolConstructor, SolInterface},
};
use revm::{
    Context, ExecuteCommitEvm, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::{
        CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    database::InMemoryDB,
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use serde::Serialize;
use std::convert::Infallible;

use crate::hub::{hub_creation_code, settle_call};

/// The bindings that the checked-in artifacts describe.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        SealVerifier,
        "artifacts/SealVerifier.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        SealProfile,
        "artifacts/SealProfile.json"
    );
}

pub use contract::SealVerifier::SealVerifierErrors as Refusal;
use contract::{SealProfile, SealVerifier};

/// The longest code of a contract (EIP-170).
pub const CODE_BYTES_MAX: usize = 24_576;
/// Gas of a measured call: more than any seal takes.
const GAS: u64 = 100_000_000;
/// What every transaction costs, and its calldata's zero and other bytes, before EIP-7623's floor.
const INTRINSIC: [u64; 3] = [21_000, 4, 16];

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// Longer than a contract's code may be.
    #[error("expected code of at most {CODE_BYTES_MAX} bytes, got {got}")]
    Code {
        /// Its length.
        got: usize,
    },
    /// The EVM refused the transaction.
    #[error(transparent)]
    Evm(#[from] EVMError<Infallible, InvalidTransaction>),
    /// A contract was not made, or a call ended neither in success nor in a typed refusal.
    #[error("expected {expected}, got {got}")]
    Outcome {
        /// What should have come of it.
        expected: &'static str,
        /// What did.
        got: String,
    },
}

/// Code that, as a transaction without a receiver, makes a contract with this code.
///
/// # Errors
/// [`BenchError::Code`].
pub fn creation_code(code: &[u8]) -> Result<Bytes, BenchError> {
    let got = code.len();
    let length = u16::try_from(got).ok().filter(|_| got <= CODE_BYTES_MAX).ok_or(BenchError::Code { got })?;
    let [high, low] = length.to_be_bytes();
    // PUSH2 length, DUP1, PUSH1 10, PUSH0, CODECOPY, PUSH0, RETURN: return everything after these ten bytes.
    let start = [0x61, high, low, 0x80, 0x60, 10, 0x5f, 0x39, 0x5f, 0xf3];
    Ok([&start, code].concat().into())
}

/// Code that makes a verifier, with the addresses of the data and the parts.
#[must_use]
pub fn verifier_creation_code(data: Address, parts: Vec<Address>) -> Bytes {
    with_constructor(&SealVerifier::BYTECODE, data, parts)
}

fn with_constructor(bytecode: &Bytes, data: Address, parts: Vec<Address>) -> Bytes {
    let arguments = SealVerifier::constructorCall { program_: data, parts_: parts }.abi_encode();
    [bytecode.as_ref(), &arguments].concat().into()
}

/// The call that verifies a seal.
#[must_use]
pub fn verify_call(seal: &[u8]) -> Bytes {
    SealVerifier::verifyCall { seal: seal.to_vec().into() }.abi_encode().into()
}

/// What the contract returns of a seal, statements root and count, or why it refuses.
pub type Verdict = Result<(B256, u32), Refusal>;

/// What a call cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Gas {
    /// A transaction with its calldata that executes nothing.
    pub calldata: u64,
    /// Its execution.
    pub execution: u64,
    /// A transaction that does nothing else: calldata and execution, or the floor of EIP-7623.
    pub transaction: u64,
}

/// The gas of a verification by part. Their sum is the execution, but for the call's own few hundred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// Loading the program, checking the head's elements, and the transcript.
    pub transcript: u64,
    /// The constraints at the out-of-domain point.
    pub constraints: u64,
    /// Combining claimed values and opened rows (DEEP).
    pub deep: u64,
    /// Merkle paths, of columns and of folds.
    pub merkle: u64,
    /// The folds and the final polynomial.
    pub fri: u64,
}

/// A verifier and its hub in a bare EVM.
#[derive(Debug)]
pub struct Bench {
    database: InMemoryDB,
    verifier: Address,
    profiler: Address,
    hub: Address,
    data: Address,
    parts: Vec<Address>,
}

impl Bench {
    /// Deploys a program, which is data and parts, the verifier with and without counters, and a hub.
    ///
    /// # Errors
    /// [`BenchError`], when one of them is not made.
    pub fn new(data: &[u8], parts: &[Vec<u8>]) -> Result<Self, BenchError> {
        let (database, none) = (InMemoryDB::default(), Address::ZERO);
        let mut bench = Self { database, verifier: none, profiler: none, hub: none, data: none, parts: Vec::new() };
        let data = bench.create(creation_code(data)?)?;
        let parts: Vec<Address> =
            parts.iter().map(|part| bench.create(creation_code(part)?)).collect::<Result<_, BenchError>>()?;
        (bench.data, bench.parts) = (data, parts.clone());
        bench.verifier = bench.create(verifier_creation_code(data, parts.clone()))?;
        bench.profiler = bench.create(with_constructor(&SealProfile::BYTECODE, data, parts))?;
        bench.hub = bench.create(hub_creation_code(bench.verifier))?;
        Ok(bench)
    }

    fn create(&mut self, code: Bytes) -> Result<Address, BenchError> {
        let mut evm = Context::mainnet().with_db(&mut self.database).with_cfg(config()).build_mainnet();
        let result = evm.transact_commit(transaction(TxKind::Create, code))?;
        let made = match &result {
            ExecutionResult::Success { output, .. } => output.address().copied(),
            _ => None,
        };
        made.ok_or_else(|| BenchError::Outcome { expected: "a contract", got: format!("{result:?}") })
    }

    /// Where the program's data stands, and its parts.
    #[must_use]
    pub fn program(&self) -> (Address, &[Address]) {
        (self.data, &self.parts)
    }

    /// Puts other code at an address, as whoever made a contract could do once it destroyed itself in the transaction
    /// that made it (EIP-6780).
    pub fn replace_code(&mut self, address: Address, code: &[u8]) {
        let code = Bytecode::new_raw(code.to_vec().into());
        let account = AccountInfo { nonce: 1, code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() };
        self.database.insert_account_info(address, account);
    }

    fn call(&mut self, to: Address, data: Bytes) -> Result<(ExecutionResult, Gas), BenchError> {
        let [base, zero, other] = INTRINSIC;
        let calldata: u64 = base + data.iter().map(|&byte| if byte == 0 { zero } else { other }).sum::<u64>();
        let mut evm = Context::mainnet().with_db(&mut self.database).with_cfg(config()).build_mainnet();
        let result = evm.transact(transaction(TxKind::Call(to), data))?.result;
        let gas = result.gas();
        let execution = gas.total_gas_spent().saturating_sub(calldata);
        let gas = Gas { calldata, execution, transaction: gas.tx_gas_used() };
        Ok((result, gas))
    }

    /// Verifies a seal: the claim that the contract returns, or its refusal, and what that cost.
    ///
    /// # Errors
    /// [`BenchError`], when the contract does neither.
    pub fn verify(&mut self, seal: &[u8]) -> Result<(Verdict, Gas), BenchError> {
        let (result, gas) = self.call(self.verifier, verify_call(seal))?;
        let unexpected = |got: String| BenchError::Outcome { expected: "a claim or a typed refusal", got };
        let claim = match result {
            ExecutionResult::Success { output, .. } => {
                let claim = SealVerifier::verifyCall::abi_decode_returns(output.data());
                let claim = claim.map_err(|error| unexpected(error.to_string()))?;
                Ok((claim.statementsRoot, claim.count))
            }
            ExecutionResult::Revert { output, .. } => {
                Err(Refusal::abi_decode(&output).map_err(|error| unexpected(format!("{error}: {output}")))?)
            }
            ExecutionResult::Halt { reason, .. } => return Err(unexpected(format!("{reason:?}"))),
        };
        Ok((claim, gas))
    }

    /// Settles a batch that the hub does not know yet: what that cost. The hub does not remember it.
    ///
    /// # Errors
    /// [`BenchError`], when the seal is refused, or of another root.
    pub fn settle(&mut self, root: B256, seal: &[u8]) -> Result<Gas, BenchError> {
        match self.call(self.hub, settle_call(root, seal.to_vec().into()))? {
            (ExecutionResult::Success { .. }, gas) => Ok(gas),
            (result, _) => Err(BenchError::Outcome { expected: "a settled batch", got: format!("{result:?}") }),
        }
    }

    /// The gas of each part of the verification of a valid seal.
    ///
    /// # Errors
    /// [`BenchError`], when the seal is refused.
    pub fn profile(&mut self, seal: &[u8]) -> Result<Profile, BenchError> {
        let call = SealProfile::profileCall { seal: seal.to_vec().into() };
        let (result, _) = self.call(self.profiler, call.abi_encode().into())?;
        let output = result.output().filter(|_| result.is_success()).cloned().unwrap_or_default();
        let parts = SealProfile::profileCall::abi_decode_returns(&output)
            .map_err(|_| BenchError::Outcome { expected: "a valid seal", got: format!("{result:?}") })?;
        let [transcript, constraints, deep, merkle, fri] = parts.map(|part: U256| part.saturating_to());
        Ok(Profile { transcript, constraints, deep, merkle, fri })
    }

    /// The seal key that the verifier has.
    ///
    /// # Errors
    /// [`BenchError`], when it does not say.
    pub fn key(&mut self) -> Result<B256, BenchError> {
        let (result, _) = self.call(self.verifier, SealVerifier::sealKeyCall {}.abi_encode().into())?;
        let output = result.output().cloned().unwrap_or_default();
        SealVerifier::sealKeyCall::abi_decode_returns(&output)
            .map_err(|error| BenchError::Outcome { expected: "a key", got: error.to_string() })
    }
}

fn config() -> CfgEnv {
    let mut config = CfgEnv::new().with_spec_and_mainnet_gas_params(SpecId::OSAKA);
    config.tx_gas_limit_cap = Some(u64::MAX);
    config.disable_nonce_check = true;
    config
}

fn transaction(kind: TxKind, data: Bytes) -> TxEnv {
    TxEnv { kind, data, gas_limit: GAS, gas_price: 0, chain_id: None, ..TxEnv::default() }
}
