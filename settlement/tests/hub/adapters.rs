//! The adapters speak their originals' interfaces, refuse what those would, and pass nothing that the hub does not.

use super::statement;
use crate::suite::{Hub, Statement, Suite, both, gas_of};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::SolCall,
};
use sinter_settlement::hub::{
    self, Adapter, Place, adapter_proof,
    contract::{AggregationHub, OpAdapter, RiscZeroAdapter, Sp1Adapter},
    journal_public_values,
};

/// SHA-256 by the primitives' library.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    use commonware_cryptography::{Hasher, Sha256};
    Sha256::hash(&[data]).0
}

fn journal_statement(program: B256, journal: &[u8]) -> Statement {
    (program, journal_public_values(&sha256(journal)))
}

struct Fixture {
    hub: Hub,
    program: B256,
    places: Vec<Place>,
    statements: Vec<Statement>,
}

const JOURNAL: &[u8] = b"what the program says it did";

async fn fixture(suite: &mut Suite) -> Fixture {
    let hub = suite.hub().await;
    let program = statement(7).0;
    let mut statements: Vec<Statement> = (0..1023).map(statement).collect();
    statements.insert(700, journal_statement(program, JOURNAL));
    let places = hub.settles(suite, "settle", &statements).await;
    Fixture { hub, program, places, statements }
}

async fn interfaces(suite: &mut Suite) {
    let Fixture { hub, program, places, statements } = fixture(suite).await;
    let proof = adapter_proof(hub.address, &places[700]);
    let hubs = hub.address;
    let sp1 = suite.deploy("sp1 adapter", hub::adapter_creation_code(Adapter::Sp1, hubs)).await;
    let op = suite.deploy("op adapter", hub::adapter_creation_code(Adapter::Op, hubs)).await;
    let risc0 = suite.deploy("risc zero adapter", hub::adapter_creation_code(Adapter::RiscZero, hubs)).await;

    let by_sp1 = |program, journal: &[u8], proof: &Bytes| Sp1Adapter::verifyProofCall {
        programVKey: program,
        publicValues: journal.to_vec().into(),
        proofBytes: proof.clone(),
    };
    let by_op = OpAdapter::verifyCall { programId: program, publicValues: JOURNAL.into(), proof: proof.clone() };
    let by_risc0 =
        RiscZeroAdapter::verifyCall { seal: proof.clone(), imageId: program, journalDigest: sha256(JOURNAL).into() };
    suite.accepts("SP1's interface", sp1, &by_sp1(program, JOURNAL, &proof)).await;
    suite.accepts("the OP Stack's interface", op, &by_op).await;
    suite.accepts("RISC Zero's interface", risc0, &by_risc0).await;
    suite.meter("SP1's interface", sp1, &by_sp1(program, JOURNAL, &proof)).await;
    suite.meter("the OP Stack's interface", op, &by_op).await;
    suite.meter("RISC Zero's interface", risc0, &by_risc0).await;
    assert_eq!(suite.reads(op, &OpAdapter::verifierTypeCall {}).await, "Sinter");
    assert_eq!(suite.reads(op, &OpAdapter::versionCall {}).await, "1.0.0");
    // The selectors that callers have compiled in.
    assert_eq!(Sp1Adapter::verifyProofCall::SIGNATURE, "verifyProof(bytes32,bytes,bytes)");
    assert_eq!(OpAdapter::verifyCall::SIGNATURE, "verify(bytes32,bytes,bytes)");
    assert_eq!(RiscZeroAdapter::verifyCall::SIGNATURE, "verify(bytes,bytes32,bytes32)");
    assert_eq!(RiscZeroAdapter::verifyIntegrityCall::SIGNATURE, "verifyIntegrity((bytes,bytes32))");

    // Anything else is refused: another journal, program, place, hub, or a proof of no proof's length.
    let off = |journal: &[u8], program| {
        let got = super::forged_root(&journal_statement(program, journal), &places[700], 1024);
        AggregationHub::StatementNotUnderRoot { expected: places[700].root, got }
    };
    let call = by_sp1(program, b"another journal", &proof);
    suite.refuses("another journal", sp1, &call, off(b"another journal", program)).await;
    let other = statement(8).0;
    suite.refuses("another program", sp1, &by_sp1(other, JOURNAL, &proof), off(JOURNAL, other)).await;
    let elsewhere = adapter_proof(hub.address, &places[699]);
    let got = super::forged_root(&statements[700], &places[699], 1024);
    let refusal = AggregationHub::StatementNotUnderRoot { expected: places[699].root, got };
    suite.refuses("another statement's place", sp1, &by_sp1(program, JOURNAL, &elsewhere), refusal).await;
    let stranger = Address::repeat_byte(0x42);
    let foreign = adapter_proof(stranger, &places[700]);
    let refusal = AggregationHub::SelectorMismatch { expected: hub::selector(hubs), got: hub::selector(stranger) };
    suite.refuses("another hub's selector", sp1, &by_sp1(program, JOURNAL, &foreign), refusal).await;
    for length in [0, 3, 39, 41, 40 + 31] {
        let mut proof = proof.to_vec();
        proof.resize(length, 0);
        let refusal = hub::contract::Sp1Adapter::ProofLength { got: U256::from(length) };
        let name = format!("a proof of {length} bytes");
        suite.refuses(&name, sp1, &by_sp1(program, JOURNAL, &proof.into()), refusal).await;
    }
    integrity(suite, risc0, program, &proof).await;
}

/// RISC Zero's other entrance: a claim's digest, opened behind the seal.
async fn integrity(suite: &mut Suite, risc0: Address, program: B256, proof: &Bytes) {
    let journal_digest = sha256(JOURNAL);
    let claim = claim_digest(&program.0, &journal_digest);
    let digest = RiscZeroAdapter::claimDigestCall { imageId: program, journalDigest: journal_digest.into() };
    assert_eq!(suite.reads(risc0, &digest).await, B256::from(claim));
    let call = |seal: Vec<u8>, claim: [u8; 32]| RiscZeroAdapter::verifyIntegrityCall {
        receipt: RiscZeroAdapter::Receipt { seal: seal.into(), claimDigest: claim.into() },
    };
    let seal = [proof.as_ref(), program.as_slice(), &journal_digest].concat();
    suite.accepts("RISC Zero's interface, by claim", risc0, &call(seal.clone(), claim)).await;
    let mismatch = |expected: [u8; 32]| RiscZeroAdapter::ClaimMismatch { expected: expected.into(), got: claim.into() };
    suite.refuses("another claim", risc0, &call(seal, [1; 32]), mismatch([1; 32])).await;
    let short = RiscZeroAdapter::SealLength { minimum: U256::from(104), got: U256::from(103) };
    suite.refuses("no claim behind the seal", risc0, &call(vec![0; 103], claim), short).await;
}

/// RISC Zero's claim digest, from its definition: every structure is the SHA-256 of its tag's SHA-256, the digests
/// in it, its data in little-endian words, and the number of digests in two bytes, little-endian.
fn claim_digest(image_id: &[u8; 32], journal_digest: &[u8; 32]) -> [u8; 32] {
    let structure = |tag: &str, digests: &[[u8; 32]], words: &[u32]| {
        let mut bytes = sha256(tag.as_bytes()).to_vec();
        digests.iter().for_each(|digest| bytes.extend_from_slice(digest));
        words.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        bytes.extend_from_slice(&(digests.len() as u16).to_le_bytes());
        sha256(&bytes)
    };
    let zero_state = structure("risc0.SystemState", &[[0; 32]], &[0]);
    assert_eq!(
        hex::encode(zero_state),
        "a3acc27117418996340b84e5a90f3ef4c49d22c79e44aad822ec9c313e1eb8e2",
        "the digest that RISC Zero publishes for a system state of zeros"
    );
    let output = structure("risc0.Output", &[*journal_digest, [0; 32]], &[]);
    structure("risc0.ReceiptClaim", &[[0; 32], *image_id, zero_state, output], &[0, 0])
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_speak_their_originals_interfaces() {
    let record = both(interfaces).await;
    for step in ["SP1's interface", "the OP Stack's interface", "RISC Zero's interface"] {
        let gas = gas_of(&record, &format!("{step}, called"));
        assert!(gas <= 30_000, "{step}: {gas}");
    }
}

#[test]
fn sha256_is_what_everybody_calls_so() {
    assert_eq!(hex::encode(sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}
