//! Seals that both accept, on the embedded chain and on anvil too, for the same gas.

use super::bench;
use crate::support::L1;
use alloy::{
    primitives::{Address, B256, TxKind},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use sinter_program::ParameterSet;
use sinter_seal::{Seal, evm, kit::Kit};
use sinter_settlement::seal::{contract::SealVerifier, creation_code, verifier_creation_code, verify_call};

fn accepted() -> (B256, u32) {
    (Kit::CLAIM.root.into(), Kit::CLAIM.count)
}

#[test]
fn what_plonky3_accepts_is_accepted() {
    let tall = Kit { log_height: 8, ..Kit::SMALL };
    for (kit, queries) in [(Kit::SMALL, 1), (Kit::SMALL, 12), (tall, 60), (Kit::WIDE, 8)] {
        for max_log_arity in 1..=3 {
            let prover = kit.prover(ParameterSet { queries, max_log_arity, ..Kit::PARAMETERS });
            let seal = prover.prove(&kit.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
            assert_eq!(prover.seal().verify(&seal).unwrap(), Kit::CLAIM);
            let mut bench = bench(prover.seal());
            assert_eq!(bench.key().unwrap(), B256::from(*prover.seal().key()));
            let (claim, gas) = bench.verify(&seal).unwrap();
            assert_eq!(claim, Ok(accepted()), "{kit:?}, {queries} queries, arity 2^{max_log_arity}");
            println!("{} bytes, {gas:?}", seal.len());
        }
    }
}

/// Deploys, verifies in a call and in a transaction; the gas of every step.
async fn on_chain(l1: &L1, seal: &Seal, bytes: &[u8]) -> Vec<u64> {
    let evm::Program { data, parts } = evm::program(seal).unwrap();
    let mut made = Vec::new();
    for code in [data].iter().chain(&parts) {
        made.push(l1.execute(TxKind::Create, creation_code(code).unwrap()).await);
    }
    let addresses: Vec<Address> = made.iter().map(|made| made.contract.unwrap()).collect();
    let verifier = verifier_creation_code(addresses[0], addresses[1..].to_vec());
    let verifier = l1.execute(TxKind::Create, verifier).await;
    let to = TxKind::Call(verifier.contract.unwrap());
    let request = TransactionRequest { to: Some(to), input: verify_call(bytes).into(), ..Default::default() };
    let output = l1.provider.call(request).await.unwrap();
    let claim = SealVerifier::verifyCall::abi_decode_returns(&output).unwrap();
    assert_eq!((claim.statementsRoot, claim.count), accepted());
    let verified = l1.execute(to, verify_call(bytes)).await;
    assert!(verified.status);
    made.iter().chain([&verifier, &verified]).map(|receipt| receipt.gas).collect()
}

#[tokio::test]
async fn both_chains_accept_for_the_same_gas() {
    let prover = Kit::SMALL.prover(Kit::PARAMETERS);
    let bytes = prover.prove(&Kit::SMALL.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
    let embedded = on_chain(&L1::embedded().await, prover.seal(), &bytes).await;
    let mut bench = bench(prover.seal());
    assert_eq!(bench.verify(&bytes).unwrap().1.transaction, *embedded.last().unwrap());
    if let Some(anvil) = L1::anvil().await {
        assert_eq!(on_chain(&anvil, prover.seal(), &bytes).await, embedded);
    }
}
