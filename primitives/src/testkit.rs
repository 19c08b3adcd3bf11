//! Networks and chains for tests, the same on every run: committees with their secret keys, and blocks
//! that follow the rules, with receipts and ranges cut from them. Behind the feature `testkit`.
//!
//! Its functions panic where a test has asked for what cannot be; nothing here is for production.

use crate::{
    Block, Body, Certificate, Chain, Digest, Header, Ledger, Namespace, NamespaceTable, Transaction, TransactionKind,
    body::Lane,
    certificate::{MESSAGE_DST, Signers},
    chain::{ChainFile, L1Spec, NamespaceSpec, Ordering, Parameters},
    committee::{Seat, UNDRAWN_STAKE_WEI, sign_proof_of_possession},
    header::L1Origin,
    ledger::Place,
    merkle::MerkleTree,
    receipt::{HeaderChain, NamespaceBlock, NamespaceRange, Receipt, TrustedNetwork},
    table::NamespaceProof,
};
use blst::min_sig::{AggregateSignature, SecretKey};
use commonware_codec::Encode;
use commonware_cryptography::{Hasher, Sha256, Signer, ed25519};

/// A chain id of its own for tests.
pub const CHAIN_ID: u64 = 90_210;
/// The namespaces that [`Network::new`] opens, ascending. The last one has the `express` rule.
pub const NAMESPACES: [Namespace; 3] = [Namespace(10), Namespace(20), Namespace(30)];

/// A member with its secrets.
#[derive(Clone)]
pub struct Member {
    /// The key of its node.
    pub node_key: ed25519::PrivateKey,
    /// The secret that it votes with: 32 bytes, big-endian.
    pub bls_secret: [u8; 32],
    /// Its seat.
    pub seat: Seat,
}

/// The member number `index` of the network `salt`. Members of a network are not in seat order.
#[must_use]
pub fn member(index: usize, salt: u8) -> Member {
    let seed: [u8; 32] = Sha256::hash(&[b"SINTER_TESTKIT", &[salt], &(index as u64).to_be_bytes()]).0;
    let secret = SecretKey::key_gen(&seed, &[]).expect("the seed has 32 bytes");
    let node_key = ed25519::PrivateKey::from_seed(u64::from(salt) << 32 | index as u64);
    let seat = Seat {
        node_key: node_key.public_key().encode().as_ref().try_into().expect("a key has 32 bytes"),
        bls_key: secret.sk_to_pk().compress(),
        proof_of_possession: sign_proof_of_possession(&secret.to_bytes()).expect("a generated key"),
        address: format!("127.0.0.1:{}", 20_000 + index),
        stake_wei: UNDRAWN_STAKE_WEI,
    };
    Member { node_key, bls_secret: secret.to_bytes(), seat }
}

/// The ed25519 key of the express namespace's auction.
#[must_use]
pub fn auction_key() -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(0x00a0_c710)
}

/// A network with its secrets.
#[derive(Clone)]
pub struct Network {
    /// The checked `chain.toml`.
    pub chain: Chain,
    /// Its text.
    pub chain_toml: String,
    /// Its members, in seat order.
    pub members: Vec<Member>,
}

impl Network {
    /// A network of `seats` members and [`NAMESPACES`].
    #[must_use]
    pub fn new(seats: usize) -> Self {
        Self::with(seats, 0, |_| ())
    }

    /// A network whose keys follow from `salt` and whose `chain.toml` has been adjusted.
    #[must_use]
    pub fn with(seats: usize, salt: u8, adjust: impl FnOnce(&mut ChainFile)) -> Self {
        let mut members: Vec<Member> = (0..seats).map(|index| member(index, salt)).collect();
        members.sort_by_key(|member| member.seat.node_key);
        let mut file = chain_file(members.iter().map(|member| member.seat.clone()).collect());
        adjust(&mut file);
        let chain_toml = file.to_toml().expect("a chain file has a text");
        let chain = Chain::parse(chain_toml.as_bytes()).expect("a sound chain file");
        Self { chain, chain_toml, members }
    }

    /// What a verifier of this network trusts.
    #[must_use]
    pub fn trusted(&self) -> TrustedNetwork {
        TrustedNetwork::from(&self.chain)
    }

    /// A seat's signature over a message, compressed, under the tag of votes.
    #[must_use]
    pub fn sign(&self, seat: usize, message: &[u8]) -> [u8; 48] {
        let secret = SecretKey::from_bytes(&self.members[seat].bls_secret).expect("a generated key");
        secret.sign(message, MESSAGE_DST, &[]).compress()
    }

    /// A finalization of `header` in its own view, by the first seats that make a quorum.
    pub fn finalize(&self, header: &Header) -> Certificate {
        let quorum = self.chain.committee.quorum() as usize;
        self.finalize_by(header, header.view, &(0..quorum).collect::<Vec<_>>())
    }

    /// A finalization of `header` in its own view, in the network with another hash.
    pub fn finalize_for(&self, chain_hash: &Digest, header: &Header) -> Certificate {
        let quorum = self.chain.committee.quorum() as usize;
        self.certify(chain_hash, header, header.view, &(0..quorum).collect::<Vec<_>>())
    }

    /// A finalization of `header` in `view` by the given seats, however few.
    pub fn finalize_by(&self, header: &Header, view: u64, seats: &[usize]) -> Certificate {
        self.certify(&self.chain.hash, header, view, seats)
    }

    fn certify(&self, chain_hash: &Digest, header: &Header, view: u64, seats: &[usize]) -> Certificate {
        let mut certificate = Certificate {
            epoch: header.epoch,
            view,
            parent_view: header.parent_view,
            payload: header.digest(),
            signers: Signers::new(self.members.len(), seats.iter().copied()).expect("seats of the committee"),
            signature: [0; 48],
        };
        let message = certificate.signed_message(chain_hash);
        let signatures: Vec<_> = seats
            .iter()
            .map(|seat| {
                let secret = SecretKey::from_bytes(&self.members[*seat].bls_secret).expect("a generated key");
                secret.sign(&message, MESSAGE_DST, &[])
            })
            .collect();
        let aggregate = AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false);
        certificate.signature = aggregate.expect("at least one seat").to_signature().compress();
        certificate
    }
}

/// A `chain.toml` with [`NAMESPACES`] and the given seats.
#[must_use]
pub fn chain_file(seats: Vec<Seat>) -> ChainFile {
    let auction_key = Digest(auction_key().public_key().encode().as_ref().try_into().expect("a key has 32 bytes"));
    let orderings = [Ordering::FirstCome, Ordering::FirstCome, Ordering::Express { auction_key }];
    ChainFile {
        chain_id: CHAIN_ID,
        name: "testkit".into(),
        genesis_timestamp_ms: 1_700_000_000_000,
        parameters: Parameters::default(),
        l1: L1Spec {
            chain_id: 31_337,
            light_client: format!("0x{}", "5f".repeat(20)),
            origin: L1Origin { number: 100, hash: Digest([0x11; 32]) },
            registry: None,
            forced_inbox: None,
        },
        fees: None,
        seats,
        namespaces: NAMESPACES
            .iter()
            .zip(orderings)
            .map(|(id, ordering)| NamespaceSpec {
                id: *id,
                name: format!("rollup-{id}"),
                evm_chain_id: Some(7_000 + id.0),
                ordering,
            })
            .collect(),
    }
}

/// A user's transaction that may be ordered up to height 400.
#[must_use]
pub fn transaction(namespace: Namespace, payload: impl Into<bytes::Bytes>) -> Transaction {
    Transaction { kind: TransactionKind::User, namespace, expiry_height: 400, payload: payload.into() }
}

/// A chain of blocks under a network, from genesis on.
#[derive(Clone)]
pub struct Blocks {
    /// The network.
    pub network: Network,
    /// The blocks by height; genesis first.
    pub blocks: Vec<Block>,
    /// The namespace table of each block.
    pub tables: Vec<NamespaceTable>,
    /// The ledger after the last block.
    pub ledger: Ledger,
}

impl Blocks {
    /// Only genesis.
    #[must_use]
    pub fn new(network: Network) -> Self {
        let genesis = Block { header: network.chain.genesis(), body: Body::default() };
        let ledger = Ledger::genesis(&network.chain.file);
        Self { network, blocks: vec![genesis], tables: vec![NamespaceTable::default()], ledger }
    }

    /// The last block.
    #[must_use]
    pub fn tip(&self) -> &Block {
        self.blocks.last().expect("genesis is always there")
    }

    /// Orders transactions, each into its namespace's lane, in a new block.
    pub fn order(&mut self, mut transactions: Vec<Transaction>) -> &Block {
        // Stable: within a lane, the order given is kept.
        transactions.sort_by_key(|transaction| transaction.namespace);
        let lanes = transactions.chunk_by(|a, b| a.namespace == b.namespace);
        let lanes = lanes.map(|lane| Lane { namespace: lane[0].namespace, transactions: lane.to_vec() });
        let body = Body { lanes: lanes.collect(), ..Body::default() };
        let parent = self.tip().header;
        let (height, timestamp_ms) = (parent.height + 1, parent.timestamp_ms + 250);
        let proposer_seat = (height % self.network.members.len() as u64) as u32;
        let l1_origin_number = parent.l1_origin.number;
        let place =
            Place { height, timestamp_ms, parent_timestamp_ms: parent.timestamp_ms, l1_origin_number, proposer_seat };
        let table = self.ledger.apply(&self.network.chain, &place, &body).expect("transactions of open namespaces");
        let header = Header {
            height,
            view: parent.view + 1,
            parent_view: parent.view,
            parent: parent.digest(),
            proposer_seat,
            timestamp_ms,
            body_root: body.root(),
            namespaces_root: table.root(),
            ledger_root: self.ledger.root(),
            next_committee: Digest([0; 32]),
            ..parent
        };
        self.tables.push(table);
        self.blocks.push(Block { header, body });
        self.tip()
    }

    /// The headers of these heights, the last one certified.
    #[must_use]
    pub fn header_chain(&self, from_height: u64, certified_height: u64) -> HeaderChain {
        let headers: Vec<Header> =
            (from_height..=certified_height).map(|height| self.blocks[height as usize].header).collect();
        let certificate = self.network.finalize(headers.last().expect("a range of heights"));
        HeaderChain { headers, certificate }
    }

    /// The receipt of a transaction in the block at `height`, under the certificate of `certified_height`.
    #[must_use]
    pub fn receipt(&self, namespace: Namespace, height: u64, index: u32, certified_height: u64) -> Receipt {
        let lane = self.blocks[height as usize].body.lane(namespace).expect("an active namespace");
        let ids: Vec<_> =
            lane.transactions.iter().map(|transaction| transaction.id(self.network.chain.file.chain_id)).collect();
        let NamespaceProof::Active(proven) = self.tables[height as usize].prove(namespace) else {
            panic!("an active namespace has a leaf");
        };
        Receipt {
            transaction_id: ids[index as usize],
            namespace,
            height,
            index,
            proof: MerkleTree::new(&ids).prove(u64::from(index)).expect("an index in the lane"),
            leaf: proven.leaf,
            leaf_proof: proven.proof,
            header_chain: self.header_chain(height, certified_height),
        }
    }

    /// All that `namespace` had ordered at these heights, under the certificate of `certified_height`.
    #[must_use]
    pub fn range(&self, namespace: Namespace, from: u64, to: u64, certified_height: u64) -> NamespaceRange {
        let blocks = (from..=to).map(|height| NamespaceBlock {
            transactions: self.blocks[height as usize]
                .body
                .lane(namespace)
                .map_or_else(Vec::new, |lane| lane.transactions.clone()),
            proof: self.tables[height as usize].prove(namespace),
        });
        NamespaceRange {
            namespace,
            from_height: from,
            to_height: to,
            blocks: blocks.collect(),
            header_chain: self.header_chain(from, certified_height),
        }
    }
}
