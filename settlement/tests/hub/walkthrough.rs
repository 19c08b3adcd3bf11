//! From "my contract calls SP1's verifier today" to "it settles through Sinter": docs/settlement.md, step by step.
//! The page names these steps, and they are checked against it.

use super::adapters::sha256;
use crate::suite::{Suite, both, check, contract::Sp1Rollup};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    sol_types::{SolConstructor, SolValue},
};
use sinter_settlement::hub::{self, Adapter, adapter_proof, journal_public_values};

/// The headings of the page's steps, in order.
const STEPS: [&str; 5] = [
    "Prove the same program for Sinter",
    "Put the adapter where the verifier was",
    "Hand the proof in and wait for the batch",
    "Turn the statement's place into proof bytes",
    "Call your contract as before",
];

fn rollup(verifier: Address, program: B256, genesis: B256) -> Bytes {
    let arguments = Sp1Rollup::constructorCall { verifier_: verifier, programVKey_: program, genesis };
    [Sp1Rollup::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

async fn walk(suite: &mut Suite) {
    let hub = suite.hub().await;
    let owner = suite.me();
    let gateway = suite.deploy("gateway", hub::gateway_creation_code(owner, 86_400, hub.address)).await;
    let (genesis, next) = (B256::repeat_byte(1), B256::repeat_byte(2));

    // Prove the same program for Sinter: its public values are the journal's SHA-256.
    let program_id = super::statement(1).0;

    // Put the adapter where the verifier was. Verifier and program id are constructor arguments: nothing else changes.
    let adapter = suite.deploy("adapter", hub::adapter_creation_code(Adapter::Sp1, gateway)).await;
    let contract = suite.deploy("rollup", rollup(adapter, program_id, genesis)).await;
    let public_values = (contract, genesis, next).abi_encode();

    // Hand the proof in and wait for the batch: other rollups' statements are in it too.
    let mut batch = super::statements(20);
    batch.insert(13, (program_id, journal_public_values(&sha256(&public_values))));
    let places = hub.settles(suite, "settle the batch", &batch).await;
    suite.reads(hub.address, &check(&batch[13], &places[13])).await;

    // Turn the statement's place into proof bytes.
    let proof = adapter_proof(hub.address, &places[13]);

    // Call your contract as before.
    let advance = |public_values: &[u8]| Sp1Rollup::advanceCall {
        publicValues: public_values.to_vec().into(),
        proofBytes: proof.clone(),
    };
    suite.accepts("advance", contract, &advance(&public_values)).await;
    assert_eq!(suite.reads(contract, &Sp1Rollup::stateCall {}).await, next);

    // What held before holds still. The proof again: the contract's own rule refuses it.
    let stale = Sp1Rollup::StateMismatch { expected: next, got: genesis };
    suite.refuses("the same again", contract, &advance(&public_values), stale).await;
    // Other public values than were proven: the adapter refuses.
    let forged = (contract, next, genesis).abi_encode();
    let statement = (program_id, journal_public_values(&sha256(&forged)));
    let got = super::forged_root(&statement, &places[13], 21);
    let expected = hub::contract::AggregationHub::StatementNotUnderRoot { expected: places[13].root, got };
    suite.refuses("other public values", contract, &advance(&forged), expected).await;
    // Another rollup with the same program: the journal names its contract.
    let twin = suite.deploy("twin", rollup(adapter, program_id, genesis)).await;
    let outcome = suite.l1.read(
        owner,
        alloy::primitives::TxKind::Call(twin),
        alloy::sol_types::SolCall::abi_encode(&advance(&public_values)).into(),
        U256::ZERO,
    );
    assert!(outcome.await.is_err(), "a journal for another contract");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollup_changes_a_verifier_address_and_a_program_id() {
    both(walk).await;
}

#[test]
fn the_page_has_these_steps() {
    let page = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/settlement.md");
    let page = std::fs::read_to_string(page).unwrap();
    let headings: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("### ")?.split_once(". "))
        .map(|(_, heading)| heading)
        .collect();
    assert_eq!(headings, STEPS);
    // The contract on the page is the one that is deployed here.
    let source = include_str!("../../contracts/test/Sp1Rollup.sol");
    let shown = page.split("```solidity\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(source.contains(shown.trim()), "the contract on the page:\n{shown}");
}
