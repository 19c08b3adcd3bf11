//! Every encoding and digest, pinned: `fixtures/encodings.json` changes only when the protocol does.
//!
//! To write it anew: `SINTER_WRITE_FIXTURES=1 cargo test -p sinter-primitives --test primitives fixtures`.

use crate::proofs::blocks;
use commonware_codec::Encode;
use commonware_cryptography::{Signer as _, ed25519};
use sinter_primitives::{
    Accumulator, Body, Digest, Ledger, Namespace, NamespaceTable, TransactionKind,
    certificate::uncompress_g1,
    committee::{sign_proof_of_possession, uncompress_key},
    merkle,
    receipt::{NamespaceRange, Receipt},
    registry::{sign_consent, sign_node_consent},
    testkit::{CHAIN_ID, NAMESPACES, transaction},
};
use std::{collections::BTreeMap, path::Path};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// All that is pinned, by name.
fn current() -> BTreeMap<String, String> {
    let blocks = blocks();
    let chain = &blocks.network.chain;
    let mut express = transaction(NAMESPACES[2], vec![0xab; 300]);
    express.kind = TransactionKind::Express;
    let user = transaction(NAMESPACES[0], "hello");
    let block = &blocks.blocks[4];
    let leaf = blocks.tables[4].leaves()[0];
    let certificate = blocks.network.finalize(&block.header);
    let pinned = [
        ("chain.toml hash", hex(chain.hash)),
        ("committee digest", hex(chain.committee.digest())),
        ("genesis header", hex(chain.genesis().encode())),
        ("genesis digest", hex(chain.genesis().digest())),
        ("genesis ledger", hex(Ledger::genesis(&chain.file).encode())),
        ("transaction, user", hex(user.encode())),
        ("transaction, user: id", hex(user.id(CHAIN_ID))),
        ("transaction, express", hex(express.encode())),
        ("transaction, express: id", hex(express.id(CHAIN_ID))),
        ("empty body root", hex(Body::default().root())),
        ("empty table root", hex(NamespaceTable::default().root())),
        ("empty merkle root", hex(merkle::root::<&[u8]>([]))),
        ("merkle root of a, b, c", hex(merkle::root(["a", "b", "c"]))),
        ("header at 4", hex(block.header.encode())),
        ("header at 4: digest", hex(block.digest())),
        ("body at 4", hex(block.body.encode())),
        ("body at 4: root", hex(block.body.root())),
        ("leaf at 4", hex(leaf.encode())),
        ("table at 4", hex(blocks.tables[4].encode())),
        ("table at 4: root", hex(blocks.tables[4].root())),
        ("certificate at 4", hex(certificate.encode())),
        ("certificate at 4: signed message", hex(certificate.signed_message(&chain.hash))),
        ("ledger at 6", hex(blocks.ledger.encode())),
        ("ledger at 6: root", hex(blocks.ledger.root())),
        ("genesis accumulator of chain 1, namespace 2", hex(Accumulator::genesis(1, Namespace(2)).0)),
        ("tip digest", hex(blocks.tip().digest())),
    ];
    pinned.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn check(name: &str, current: &impl serde::Serialize) {
    check_text(name, serde_json::to_string_pretty(current).expect("serializes") + "\n");
}

fn check_text(name: &str, text: String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    if std::env::var_os("SINTER_WRITE_FIXTURES").is_some() {
        std::fs::write(&path, &text).expect("the fixtures are writable");
    }
    let pinned = std::fs::read_to_string(&path).expect("the fixture is checked in");
    for (pinned, current) in pinned.lines().zip(text.lines()) {
        assert_eq!(pinned, current, "{name}");
    }
    assert_eq!(pinned, text, "{name}");
}

#[test]
fn encodings_are_pinned() {
    check("encodings.json", &current());
    check_text("chain-toml.txt", blocks().network.chain_toml);
}

#[test]
fn a_pinned_receipt_passes() {
    let blocks = blocks();
    check("trusted.json", &blocks.network.trusted());
    check("receipt.json", &blocks.receipt(NAMESPACES[0], 4, 2, 6));
    check("range.json", &blocks.range(NAMESPACES[1], 2, 4, 6));
    // As a stranger would: from the files alone.
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        std::fs::read(path).expect("the fixture is checked in")
    };
    let network = sinter_primitives::receipt::TrustedNetwork::parse(&read("trusted.json")).expect("a sound committee");
    let receipt: Receipt = serde_json::from_slice(&read("receipt.json")).expect("a receipt");
    let verified = receipt.verify(&network).expect("the truth");
    assert_eq!((verified.height, verified.index, verified.certified_height), (4, 2, 6));
    let range: NamespaceRange = serde_json::from_slice(&read("range.json")).expect("a range");
    assert_eq!(range.verify(&network, None).expect("the truth").transactions, 2);
    assert_ne!(verified.block, Digest([0; 32]));
}

/// What the contract's tests register by: `settlement/tests/registry/` sends these bytes to it. The contract is the second one
/// that the first development account makes.
#[test]
fn a_registration_is_pinned() {
    let secret = [0x26; 32];
    let contract: [u8; 20] =
        hex::decode("e7f1725e7734ce288f8367e1bb143e90bb3f0512").expect("hex").try_into().expect("20");
    let owner: [u8; 20] = hex::decode("f39fd6e51aad88f6f4ce6ab8827279cfffb92266").expect("hex").try_into().expect("20");
    let key = blst::min_sig::SecretKey::from_bytes(&secret).expect("below the order").sk_to_pk().compress();
    let possession = sign_proof_of_possession(&secret).expect("a key");
    let consent = sign_consent(&secret, 1337, &contract, &owner).expect("a key");
    let node = ed25519::PrivateKey::from_seed(1);
    let pinned = [
        ("secret", hex(secret)),
        ("l1 chain id", "1337".into()),
        ("contract", hex(contract)),
        ("owner", hex(owner)),
        ("bls key", hex(uncompress_key(&key).expect("a key"))),
        ("possession", hex(uncompress_g1(&possession).expect("a point"))),
        ("consent", hex(uncompress_g1(&consent).expect("a point"))),
        ("node key", hex(node.public_key().encode())),
        ("node consent", hex(sign_node_consent(&node, 1337, &contract, &owner))),
    ];
    check("registration.json", &pinned.into_iter().collect::<BTreeMap<_, _>>());
}
