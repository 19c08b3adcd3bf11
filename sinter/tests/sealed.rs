//! A batch's whole way to the L1, at small parameters: folded, linked, sealed, brought to a hub by `sinter settle`, and one of
//! its statements shown to whoever asks the hub.

use crate::process::{errors, last_line, output, sinter};
use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, B256},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_matrix::dense::RowMajorMatrix;
use serde_json::json;
use sha2::{Digest, Sha256};
use sinter_circuit::Heights;
use sinter_primitives::statements::StatementTree;
use sinter_program::{DagAir, F, ParameterSet, StatementLayout, program::JOURNAL_LIMBS};
use sinter_prover::{CpuProver, Folder, Linker, Wrapper, aggregate::tree::null_statement, leaf, shrink::Layers};
use sinter_recursion::Universal;
use sinter_seal::{
    Claim, Sealer,
    evm::{Program, program},
    sealer::SealLayers,
};
use sinter_settlement::{
    deployment::Deployment,
    dev_l1::{self, DEV_KEYS, DevL1Config, Mining},
    hub::{
        Place, adapter_proof, check_call,
        contract::{OpAdapter, RiscZeroAdapter, Sp1Adapter},
    },
};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Development's, for the smaller shape that is folded here.
const LAYERS: SealLayers =
    SealLayers { below: Layers { shrink_log_heights: [12, 12, 10, 10, 8], ..Layers::DEV }, ..SealLayers::DEV };
/// The bytes that a rollup's program would prove something about.
const JOURNAL: &[u8] = b"state 17 follows state 16";

/// The smallest program with a journal: it proves that its prover knows the journal's digest.
struct Knows;

impl BaseAir<F> for Knows {
    fn width(&self) -> usize {
        JOURNAL_LIMBS
    }
    fn num_public_values(&self) -> usize {
        JOURNAL_LIMBS
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for Knows {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let publics = builder.public_values().to_vec();
        for (&cell, public) in main.current_slice().iter().zip(publics) {
            builder.assert_eq(cell, public);
        }
    }
}

struct Sealed {
    bytes: Vec<u8>,
    claim: Claim,
    program: Program,
    /// One with the journal, then null statements, which are statements as good as any.
    statements: [[u8; 288]; 3],
}

fn seal() -> Sealed {
    let shape = Universal::new(ParameterSet::DEV, [13, 13, 11, 11, 8]).unwrap();
    let folder = Folder::of(&shape).unwrap();
    let airs = vec![DagAir::from_air(&Knows).unwrap()];
    let knows = sinter_program::Program::new(airs, vec![5], ParameterSet::DEV, StatementLayout::Journal, None).unwrap();
    let digest = sha256(JOURNAL);
    let limbs: Vec<F> = digest.chunks(2).map(|limb| F::new(u32::from_be_bytes([0, 0, limb[0], limb[1]]))).collect();
    let trace = RowMajorMatrix::new(limbs.repeat(1 << 5), JOURNAL_LIMBS);
    let key = leaf::proving_key(&knows).unwrap();
    let (proof, _) = leaf::prove(&CpuProver, &knows, &key, &[trace], &limbs).unwrap();
    let wrapper = Wrapper::of(&shape, &knows).unwrap();
    let (journal, _) = wrapper.wrap(&CpuProver, &proof).unwrap();

    let null = folder.null(&CpuProver).unwrap();
    let two = folder.fold(&CpuProver, &journal, &null).unwrap().0;
    let root = folder.fold(&CpuProver, &two, &null).unwrap().0;
    let mut statements = [(); 3].map(|()| null_statement(&folder).unwrap());
    statements[0].program_id = *wrapper.program_id();
    statements[0].public_values[..JOURNAL_LIMBS].copy_from_slice(&limbs);
    let linker = Linker::of(&shape, 2, ParameterSet::DEV, Heights::Smallest).unwrap();
    let (link, _) = linker.prove(&CpuProver, &statements).unwrap();
    let sealer = Sealer::new(&shape, folder.key(), &[linker.key().digest], &LAYERS).unwrap();
    let (bytes, claim, _) = sealer.prove(&CpuProver, &root, &link).unwrap();
    assert_eq!(sealer.seal().verify(&bytes).unwrap(), claim);
    let program = program(sealer.seal()).unwrap();
    Sealed { bytes, claim, program, statements: statements.map(|statement| statement.to_bytes()) }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// An address where nobody listens.
fn free_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Whether a page of metrics has a line that starts so within half a minute.
async fn shown(address: SocketAddr, start: &str) -> bool {
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let Ok(mut stream) = TcpStream::connect(address).await else { continue };
        let mut page = String::new();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        if stream.read_to_string(&mut page).await.is_ok() && page.lines().any(|it| it.starts_with(start)) {
            return true;
        }
    }
    false
}

/// A release that changes one of them says so.
#[test]
fn the_addresses_of_this_version_are_those_in_the_docs() {
    let run = output(&mut sinter(&["hub", "show", "--json"]));
    assert!(run.status.success(), "{}", errors(&run));
    let docs = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/settlement.md")).unwrap();
    let shown = last_line(&run);
    for contract in shown["contracts"].as_array().unwrap() {
        let name = contract["name"].as_str().unwrap();
        let address: Address = contract["address"].as_str().unwrap().parse().unwrap();
        let named = name == "AggregationHub" || name.ends_with("Adapter");
        assert!(!named || docs.contains(&address.to_string()), "{name} at {address}");
    }
    assert_eq!(shown["contracts"].as_array().unwrap().iter().filter(|it| it["name"] == "AggregationHub").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_sealed_settled_and_believed() {
    let sealed = tokio::task::spawn_blocking(seal).await.unwrap();
    let statements = sealed.statements;
    let tree = StatementTree::new(&statements);
    assert_eq!((Some(sealed.claim.root), sealed.claim.count), (tree.root(), 3));

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
    let metrics = free_port();
    settle.arg("--metrics").arg(metrics.to_string());
    settle.args([&forged, &good]).arg("--key-file").arg(&key).arg("--data-dir").arg(directory.path().join("state"));
    let run = tokio::task::spawn_blocking(move || output(&mut settle));
    let shown = shown(metrics, "sinter_settle_unsettled ").await;
    let run = run.await.unwrap();
    assert_eq!(run.status.code(), Some(3), "{}", errors(&run));
    assert!(shown, "{}", errors(&run));
    let summary = last_line(&run);
    assert_eq!((&summary["seals"][0]["state"], &summary["seals"][1]["state"]), (&json!("refused"), &json!("settled")));
    let refusal = summary["seals"][0]["refusal"].as_str().unwrap();
    assert!(refusal.starts_with("the contract refuses it: ") && !refusal.contains("error 0x"), "{refusal}");
    assert_eq!(summary["seals"][1]["root"], json!(B256::from(sealed.claim.root)));
    assert_eq!(summary["seals"][1]["count"], json!(3));

    let place = |index: u32| Place {
        root: sealed.claim.root.into(),
        index,
        path: tree.path(index as usize).unwrap_or_default().into_iter().map(B256::from).collect(),
    };
    let ask = |to: Address, call: Vec<u8>| {
        let transaction = TransactionRequest::default().with_to(to).with_input(call);
        let provider = provider.clone();
        async move { provider.call(transaction).await }
    };
    for (index, statement) in (0..).zip(&statements) {
        ask(hub, check_call(statement, &place(index)).into()).await.unwrap();
    }
    let mut other = statements[1];
    other[287] ^= 1;
    let error = ask(hub, check_call(&other, &place(1)).into()).await.unwrap_err();
    let data = error.as_error_resp().and_then(|error| error.as_revert_data()).unwrap();
    assert!(!data.is_empty(), "{error}");
    ask(hub, check_call(&statements[1], &place(3)).into()).await.unwrap_err();

    // What a rollup that verifies SP1's proofs today calls, or one on the OP Stack, or RISC Zero's.
    let program = B256::from_slice(&statements[0][..32]);
    let proof = adapter_proof(hub, &place(0));
    let adapter = |name| deployment.contracts().iter().find(|contract| contract.name == name).unwrap().address;
    for (journal, holds) in [(JOURNAL, true), (&JOURNAL[1..], false)] {
        let sp1 = Sp1Adapter::verifyProofCall {
            programVKey: program,
            publicValues: journal.into(),
            proofBytes: proof.clone(),
        };
        let op = OpAdapter::verifyCall { programId: program, publicValues: journal.into(), proof: proof.clone() };
        let risc_zero = RiscZeroAdapter::verifyCall {
            seal: proof.clone(),
            imageId: program,
            journalDigest: sha256(journal).into(),
        };
        assert_eq!(ask(adapter("Sp1Adapter"), sp1.abi_encode()).await.is_ok(), holds);
        assert_eq!(ask(adapter("OpAdapter"), op.abi_encode()).await.is_ok(), holds);
        assert_eq!(ask(adapter("RiscZeroAdapter"), risc_zero.abi_encode()).await.is_ok(), holds);
    }
}
