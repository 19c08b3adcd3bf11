//! A batch's whole way to the L1, at small parameters: folded, linked, sealed, brought to a hub by `sinter settle`, and one of
//! its statements shown to whoever asks the hub.

use crate::process::{errors, last_line, output, sinter};
use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::B256,
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use serde_json::json;
use sinter_circuit::Heights;
use sinter_primitives::statements::StatementTree;
use sinter_program::ParameterSet;
use sinter_prover::{CpuProver, Folder, Linker, aggregate::tree::null_statement, shrink::Layers};
use sinter_recursion::Universal;
use sinter_seal::{
    Claim, Sealer,
    evm::{Program, program},
    sealer::SealLayers,
};
use sinter_settlement::{
    deployment::Deployment,
    dev_l1::{self, DEV_KEYS, DevL1Config, Mining},
    hub::{Place, check_call},
};
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

/// Development's, for the smaller shape that is folded here.
const LAYERS: SealLayers =
    SealLayers { below: Layers { shrink_log_heights: [12, 12, 10, 10, 8], ..Layers::DEV }, ..SealLayers::DEV };
/// Statements of the batch: all null, which is a statement as good as any.
const COUNT: u32 = 3;

struct Sealed {
    bytes: Vec<u8>,
    claim: Claim,
    program: Program,
    statement: [u8; 288],
}

fn seal() -> Sealed {
    let shape = Universal::new(ParameterSet::DEV, [13, 13, 11, 11, 8]).unwrap();
    let folder = Folder::of(&shape).unwrap();
    let null = folder.null(&CpuProver).unwrap();
    let two = folder.fold(&CpuProver, &null, &null).unwrap().0;
    let root = folder.fold(&CpuProver, &two, &null).unwrap().0;
    let statement = null_statement(&folder).unwrap();
    let linker = Linker::of(&shape, 2, ParameterSet::DEV, Heights::Smallest).unwrap();
    let (link, _) = linker.prove(&CpuProver, &vec![statement.clone(); COUNT as usize]).unwrap();
    let sealer = Sealer::new(&shape, folder.key(), &[linker.key().digest], &LAYERS).unwrap();
    let (bytes, claim, _) = sealer.prove(&CpuProver, &root, &link).unwrap();
    assert_eq!(sealer.seal().verify(&bytes).unwrap(), claim);
    let program = program(sealer.seal()).unwrap();
    Sealed { bytes, claim, program, statement: statement.to_bytes() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_sealed_settled_and_believed() {
    let sealed = tokio::task::spawn_blocking(seal).await.unwrap();
    let statements = [sealed.statement; COUNT as usize];
    let tree = StatementTree::new(&statements);
    assert_eq!((Some(sealed.claim.root), sealed.claim.count), (tree.root(), COUNT));

    let mining = Mining::Every(Duration::from_millis(200));
    let chain = dev_l1::spawn(DevL1Config { mining, ..DevL1Config::default() }).await.unwrap();
    let wallet = EthereumWallet::from(dev_l1::dev_signer(1));
    let provider = ProviderBuilder::new().wallet(wallet).connect_http(chain.url().parse().unwrap()).erased();
    let Program { data, parts } = &sealed.program;
    let deployment = Deployment::new(data, parts).unwrap();
    let payer = dev_l1::dev_signer(1).address();
    // The second time everything stands.
    for made in [deployment.contracts().len(), 0] {
        let mut count = 0;
        deployment
            .deploy(&provider, payer, &mut |_, transaction| count += usize::from(transaction.is_some()))
            .await
            .unwrap();
        assert_eq!(count, made);
    }
    assert!(deployment.standing(&provider).await.unwrap().into_iter().all(|stands| stands));
    let hub = deployment.hub();

    let directory = tempfile::tempdir().unwrap();
    let (key, good, forged) =
        (directory.path().join("l1.key"), directory.path().join("good"), directory.path().join("forged"));
    fs::write(&key, DEV_KEYS[0]).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&good, &sealed.bytes).unwrap();
    let mut bytes = sealed.bytes.clone();
    bytes[35] ^= 1;
    fs::write(&forged, bytes).unwrap();
    let mut settle = sinter(&["settle", "--json", "--l1", &chain.url(), "--hub", &hub.to_string()]);
    settle.args([&forged, &good]).arg("--key-file").arg(&key).arg("--data-dir").arg(directory.path().join("state"));
    let run = tokio::task::spawn_blocking(move || output(&mut settle)).await.unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", errors(&run));
    let summary = last_line(&run);
    assert_eq!((&summary["seals"][0]["state"], &summary["seals"][1]["state"]), (&json!("refused"), &json!("settled")));
    assert_eq!(summary["seals"][1]["root"], json!(B256::from(sealed.claim.root)));
    assert_eq!(summary["seals"][1]["count"], json!(COUNT));

    let check = |index: u32, statement: [u8; 288]| {
        let path = tree.path(index as usize).unwrap_or_default().into_iter().map(B256::from).collect();
        let call = check_call(&statement, &Place { root: sealed.claim.root.into(), index, path });
        let transaction = TransactionRequest::default().with_to(hub).with_input(call);
        let provider = provider.clone();
        async move { provider.call(transaction).await }
    };
    for index in 0..COUNT {
        check(index, sealed.statement).await.unwrap();
    }
    let mut other = sealed.statement;
    other[287] ^= 1;
    let error = check(1, other).await.unwrap_err();
    let data = error.as_error_resp().and_then(|error| error.as_revert_data()).unwrap();
    assert!(!data.is_empty(), "{error}");
    check(COUNT, sealed.statement).await.unwrap_err();
}
