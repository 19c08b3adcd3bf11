//! Real proofs through the whole service: verified, wrapped, folded, and sealed with the layers that are for development.

use crate::kit::{Place, account};
use sinter_program::{ParameterSet, ProofHeader, field::digest_bytes, file};
use sinter_prover::{CpuProver, leaf, standard::Standard};
use sinter_recursion::statement;
use sinter_seal::sealer::SealLayers;
use sinter_service::{
    Blobs, Hash, Provers,
    prove::{Fault, ProgramFile, Prove},
    provers::{self, UNIVERSAL},
    queue::{self, BatchState, JobState, Lane, NewJob, ProgramState, ProgramsMax},
    worker::{self, Worker},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

const LOG_ROWS: u8 = 7;

fn prove(parameters: ParameterSet, seeds: [u64; 2]) -> (Vec<u8>, [Vec<u8>; 2]) {
    let program = Standard::Poseidon2.program(LOG_ROWS, parameters).unwrap();
    let key = leaf::proving_key(&program).unwrap();
    let proofs = seeds.map(|seed| {
        let trace = Standard::Poseidon2.trace(LOG_ROWS, seed).unwrap();
        let (proof, _) = leaf::prove(&CpuProver, &program, &key, &[trace], &[]).unwrap();
        proof.encode(program.shape()).unwrap()
    });
    (file::encode(&program), proofs)
}

fn digest(file: &[u8]) -> Hash {
    Hash(digest_bytes(&file::digest(file)))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_proofs_are_folded_into_a_root_that_verifies_and_sealed() {
    let (file, proofs) = prove(ParameterSet::FOLD, [1, 2]);
    let options = provers::Options { seal: SealLayers::DEV, ..provers::Options::default() };
    let provers = Arc::new(Provers::cpu(options));
    let place = Place::sqlite();
    let queue = place.open(&queue::Options { places_max: 2, ..queue::Options::default() }).await;
    let blobs = Blobs::memory(16 << 20);
    let worker = Worker::new(queue.clone(), blobs.clone(), provers.clone(), worker::Options::new("real"));
    let stop = CancellationToken::new();

    let program = digest(&file);
    let blob = blobs.put(file.clone().into()).await.unwrap();
    queue.add_program(&account("a"), &program, &blob, ProgramsMax { all: 9, account: 9 }).await.unwrap();
    assert!(worker.step(Lane::Prove, &stop).await.unwrap());
    let row = queue.program(&program).await.unwrap();
    assert_eq!(row.state, ProgramState::Known, "{:?}", row.reason);

    let mut altered = proofs[0].clone();
    *altered.last_mut().unwrap() ^= 1;
    let mut jobs = Vec::new();
    for proof in [&proofs[0], &altered, &proofs[1]] {
        let proof = blobs.put(proof.clone().into()).await.unwrap();
        let (account, bytes, deadline_ms) = (account("a"), 1, 3_600_000);
        let job = NewJob { account, program, proof, bytes, deadline_ms, priority: 0, price_gwei: 0 };
        jobs.push(queue.submit(&job, |_| Ok(())).await.unwrap().job);
    }
    for lane in Lane::ALL {
        while worker.step(lane, &stop).await.unwrap() {}
    }
    let refused = queue.job(&account("a"), jobs[1]).await.unwrap();
    assert_eq!(refused.state, JobState::Refused, "{:?}", refused.reason);
    let sealed = queue.batches(BatchState::Sealed, 9).await.unwrap();
    assert_eq!(sealed.len(), 1, "{:?}", queue.job(&account("a"), jobs[0]).await.unwrap());
    let batch = queue.next_to_settle().await.unwrap().unwrap();
    // It was verified before it was kept.
    assert!(!blobs.get(&batch.seal.unwrap()).await.unwrap().is_empty());

    // The root verifies by itself, and is over the statements that the queue lists.
    let folder = provers.folder().unwrap();
    let root = folder.shape().decode(&blobs.get(&batch.root).await.unwrap()).unwrap();
    let root = folder.verify(&root).unwrap();
    assert_eq!(root.count, 2);
    let listed: Vec<_> = batch.statements.iter().map(|bytes| provers::read_statement(bytes).unwrap().leaf()).collect();
    assert_eq!(statement::root(&listed), Some(root.statements_root));
    assert!(batch.statements.iter().all(|bytes| bytes.starts_with(&row.program_id.unwrap().0)));

    // A wrapped proof is in the universal shape, and can be handed in as such: it says the same.
    let universal = ProgramFile { digest: &UNIVERSAL, bytes: &[], program_id: None };
    let known = ProgramFile { digest: &program, bytes: &file, program_id: row.program_id.as_ref() };
    let wrapped = provers.wrap(known, &proofs[0]).unwrap();
    assert_eq!(provers.verify(universal, &wrapped).unwrap(), batch.statements[0]);
    assert_eq!(provers.wrap(universal, &wrapped).unwrap(), wrapped);
    let fold = blobs.get(&batch.root).await.unwrap();
    assert!(matches!(provers.verify(universal, &fold), Err(Fault::Invalid(_))));
    assert!(matches!(provers.verify(known, &wrapped), Err(Fault::Invalid(_))));
    assert!(provers.prover_bytes(1).unwrap() > 0);

    // A seal of other statements is none.
    let mut swapped = batch.statements.clone();
    swapped.swap(0, 1);
    swapped[0][40] ^= 1;
    assert!(matches!(provers.seal(&fold, &swapped), Err(Fault::Failed(_))));
}

#[test]
fn a_program_that_proves_too_little_is_refused() {
    let (file, proofs) = prove(ParameterSet::DEV, [1, 2]);
    let provers = Provers::cpu(provers::Options::default());
    let program = digest(&file);
    let given = ProgramFile { digest: &program, bytes: &file, program_id: None };
    let Err(Fault::Invalid(reason)) = provers.register(given) else { panic!("expected a refusal") };
    assert!(reason.starts_with("expected at least 100 proven bits, got "), "{reason}");
    let other = Hash([7; 32]);
    let foreign = ProgramFile { digest: &other, ..given };
    assert!(matches!(provers.register(foreign), Err(Fault::Invalid(_))));
    let junk = ProgramFile { digest: &other, bytes: b"SNTP junk", program_id: None };
    assert!(matches!(provers.register(junk), Err(Fault::Invalid(_))));
    assert!(ProofHeader::read(&proofs[0]).is_ok());
}
