//! A network of four whose keys the test holds, and a chain of blocks that they finalized.
use blst::min_sig::{AggregateSignature, SecretKey};
use bytes::Bytes;
use commonware_codec::Encode;
use commonware_cryptography::{Signer, ed25519};
use futures::future::BoxFuture;
use sinter_primitives::{
    Block, Body, Certificate, Chain, Digest, Header, Ledger, Namespace, NamespaceTable, Parameters, Transaction,
    TransactionId, TransactionKind,
    body::Lane,
    certificate::{MESSAGE_DST, Signers},
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering},
    committee::{Seat, UNDRAWN_STAKE_WEI, sign_proof_of_possession},
    header::L1Origin,
    ledger::Place,
    receipt::TrustedNetwork,
};
use sinter_sequencer::{
    archive::Archive,
    index::{FinalizedBlock, Index, IndexError, Persist},
};
use std::{collections::BTreeMap, sync::Arc, sync::Mutex};

pub const CHAIN_ID: u64 = 77;
pub const GENESIS_MS: u64 = 1_700_000_000_000;
/// A namespace that speaks Ethereum, with chain id 7001.
pub const EVM: Namespace = Namespace(1);
pub const EVM_CHAIN_ID: u64 = 7001;
/// Another one, with chain id 7002.
pub const EVM_2: Namespace = Namespace(2);
/// A namespace of opaque bytes.
pub const OPAQUE: Namespace = Namespace(9);

/// A network whose secret keys are at hand.
pub struct Network {
    pub chain: Arc<Chain>,
    secrets: Vec<SecretKey>,
}

impl Network {
    pub fn new() -> Self {
        Self::with(1, Parameters::default())
    }

    /// The same network for the same `salt` and parameters.
    pub fn with(salt: u8, parameters: Parameters) -> Self {
        let mut members: Vec<(Seat, SecretKey)> = (0..4u8)
            .map(|member| {
                let mut seed = [salt; 32];
                seed[0] = member;
                let secret = SecretKey::key_gen(&seed, &[]).unwrap();
                let node = ed25519::PrivateKey::from_seed(u64::from(salt) << 8 | u64::from(member));
                let seat = Seat {
                    node_key: node.public_key().encode().as_ref().try_into().unwrap(),
                    bls_key: secret.sk_to_pk().compress(),
                    proof_of_possession: sign_proof_of_possession(&secret.to_bytes()).unwrap(),
                    address: format!("127.0.0.1:{}", 4000 + u16::from(member)),
                    stake_wei: UNDRAWN_STAKE_WEI,
                };
                (seat, secret)
            })
            .collect();
        members.sort_by_key(|(seat, _)| seat.node_key);
        let (seats, secrets): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        let namespace = |id: Namespace, name: &str, evm_chain_id| NamespaceSpec {
            id,
            name: name.into(),
            evm_chain_id,
            ordering: Ordering::FirstCome,
        };
        let file = ChainFile {
            chain_id: CHAIN_ID,
            name: "test".into(),
            genesis_timestamp_ms: GENESIS_MS,
            parameters,
            l1: L1Spec {
                chain_id: 1,
                light_client: format!("0x{}", "ab".repeat(20)),
                origin: L1Origin { number: 5, hash: Digest([5; 32]) },
                registry: None,
                forced_inbox: None,
            },
            fees: None,
            seats,
            namespaces: vec![
                namespace(EVM, "ether", Some(EVM_CHAIN_ID)),
                namespace(EVM_2, "ether two", Some(7002)),
                namespace(OPAQUE, "opaque", None),
            ],
        };
        let text = toml::to_string(&file).unwrap();
        Self { chain: Arc::new(Chain::parse(text.as_bytes()).unwrap()), secrets }
    }

    pub fn trusted(&self) -> TrustedNetwork {
        TrustedNetwork::from(&*self.chain)
    }

    /// The finalization of a header by three of the four.
    pub fn certify(&self, header: &Header) -> Certificate {
        let signers = [0, 1, 3];
        let mut certificate = Certificate {
            epoch: header.epoch,
            view: header.view,
            parent_view: header.parent_view,
            payload: header.digest(),
            signers: Signers::new(self.secrets.len(), signers).unwrap(),
            signature: [0; 48],
        };
        let message = certificate.signed_message(&self.chain.hash);
        let signatures: Vec<_> =
            signers.iter().map(|seat| self.secrets[*seat].sign(&message, MESSAGE_DST, &[])).collect();
        let aggregate = AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false).unwrap();
        certificate.signature = aggregate.to_signature().compress();
        certificate
    }
}

/// A block with all that the validity check computes beside it.
#[derive(Clone)]
pub struct Finalized {
    pub block: Arc<Block>,
    pub ids: Vec<TransactionId>,
    pub table: NamespaceTable,
    pub ledger_after: Ledger,
    pub certificate: Option<Certificate>,
}

/// Blocks that the network finalized, from height 1.
pub struct TestChain {
    pub network: Network,
    pub blocks: Vec<Finalized>,
    tip: Header,
    ledger: Ledger,
}

impl TestChain {
    pub fn new(network: Network) -> Self {
        let (tip, ledger) = (network.chain.genesis(), Ledger::genesis(&network.chain.file));
        Self { network, blocks: Vec::new(), tip, ledger }
    }

    /// Orders `transactions`, grouped into lanes; `certified` says whether the block has a finalization of its own.
    pub fn push(&mut self, transactions: Vec<Transaction>, certified: bool) -> &Finalized {
        let mut lanes: BTreeMap<Namespace, Vec<Transaction>> = BTreeMap::new();
        for transaction in transactions {
            lanes.entry(transaction.namespace).or_default().push(transaction);
        }
        let lanes = lanes.into_iter().map(|(namespace, transactions)| Lane { namespace, transactions });
        let body = Body { lanes: lanes.collect(), ..Body::default() };
        let parent = self.tip;
        let (height, timestamp_ms) = (parent.height + 1, parent.timestamp_ms + 250);
        let place = Place {
            height,
            timestamp_ms,
            parent_timestamp_ms: parent.timestamp_ms,
            l1_origin_number: parent.l1_origin.number,
            proposer_seat: (height % 4) as u32,
        };
        let table = self.ledger.apply(&self.network.chain, &place, &body).unwrap();
        let header = Header {
            height,
            timestamp_ms,
            view: parent.view + 1,
            parent_view: parent.view,
            parent: parent.digest(),
            proposer_seat: place.proposer_seat,
            body_root: body.root(),
            namespaces_root: table.root(),
            ledger_root: self.ledger.root(),
            next_committee: Digest([0; 32]),
            ..parent
        };
        self.tip = header;
        self.blocks.push(Finalized {
            ids: body.transactions().map(|transaction| transaction.id(CHAIN_ID)).collect(),
            block: Arc::new(Block { header, body }),
            table,
            ledger_after: self.ledger.clone(),
            certificate: certified.then(|| self.network.certify(&header)),
        });
        self.blocks.last().unwrap()
    }

    /// `count` certified blocks; some are empty, others hold transactions of one or two namespaces.
    pub fn grow(&mut self, count: u64) {
        for _ in 0..count {
            let height = self.tip.height + 1;
            let transactions = match height % 3 {
                0 => vec![],
                1 => vec![opaque(height, 1), opaque(height, 2), evm(height, 1)],
                _ => vec![evm(height, 1)],
            };
            self.push(transactions, true);
        }
    }

    pub fn at(&self, height: u64) -> &Finalized {
        &self.blocks[height as usize - 1]
    }

    /// Indexes the blocks `from..=to` in one step.
    pub fn apply(&self, index: &Index, from: u64, to: u64) -> Result<usize, IndexError> {
        self.apply_as(index, from, to, Persist::Now)
    }

    /// The same, durable when `persist` says.
    pub fn apply_as(&self, index: &Index, from: u64, to: u64, persist: Persist) -> Result<usize, IndexError> {
        let blocks: Vec<_> = (from..=to)
            .map(|height| self.at(height))
            .map(|finalized| FinalizedBlock { block: &finalized.block, ids: &finalized.ids, table: &finalized.table })
            .collect();
        index.apply(&blocks, &self.at(to).ledger_after, persist)
    }
}

/// A transaction with bytes that nobody else has.
pub fn opaque(height: u64, salt: u8) -> Transaction {
    transaction(OPAQUE, height, salt)
}

/// The same in a namespace that speaks Ethereum; the bytes are no Ethereum transaction.
pub fn evm(height: u64, salt: u8) -> Transaction {
    transaction(EVM, height, salt)
}

fn transaction(namespace: Namespace, height: u64, salt: u8) -> Transaction {
    let mut payload = vec![salt; 40];
    payload.extend_from_slice(&height.to_be_bytes());
    Transaction { kind: TransactionKind::User, namespace, expiry_height: height + 10, payload: Bytes::from(payload) }
}

type Archived = (Arc<Block>, Option<Certificate>);

/// An archive in memory.
#[derive(Default)]
pub struct MapArchive(Mutex<BTreeMap<u64, Archived>>);

impl MapArchive {
    pub fn put(&self, finalized: &Finalized) {
        let value = (finalized.block.clone(), finalized.certificate);
        self.0.lock().unwrap().insert(finalized.block.header.height, value);
    }

    pub fn remove(&self, height: u64) {
        self.0.lock().unwrap().remove(&height);
    }
}

impl Archive for MapArchive {
    fn block(&self, height: u64) -> BoxFuture<'_, Option<Arc<Block>>> {
        let block = self.0.lock().unwrap().get(&height).map(|(block, _)| block.clone());
        Box::pin(async { block })
    }

    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>> {
        let certificate = self.0.lock().unwrap().get(&height).and_then(|(_, certificate)| *certificate);
        Box::pin(async move { certificate })
    }
}
