//! Somebody registers, others delegate, keys change, and everybody gets his ether back.

use super::fixture::{ETHER, Registry, account, claim, key_hash, node_key};
use crate::{
    suite::{Suite, both, gas_of},
    support::L1_CHAIN_ID,
};
use alloy::primitives::{Address, Bytes, FixedBytes, U256};
use sinter_primitives::draw::{Candidate, Seed};
use sinter_settlement::registry::{Keys, Node, contract::CommitteeRegistry as Contract};
use std::collections::BTreeMap;

/// `primitives/tests/fixtures/registration.json`: what the other side computes from its secret.
fn pinned(registry: Address, owner: Address) -> (Keys, Node) {
    let fixture: BTreeMap<String, String> =
        serde_json::from_str(include_str!("../../../primitives/tests/fixtures/registration.json")).unwrap();
    assert_eq!(fixture["contract"].parse::<Address>().unwrap(), registry, "the second contract of the first account");
    assert_eq!(fixture["owner"].parse::<Address>().unwrap(), owner);
    assert_eq!(fixture["l1 chain id"], L1_CHAIN_ID.to_string());
    let point = |name: &str| {
        let bytes: Bytes = fixture[name].parse().unwrap();
        [0, 1, 2].map(|word| FixedBytes::from_slice(&bytes[word * 32..(word + 1) * 32]))
    };
    let consent: Bytes = fixture["node consent"].parse().unwrap();
    let node = Node {
        key: fixture["node key"].parse().unwrap(),
        consent: [0, 1].map(|word| FixedBytes::from_slice(&consent[word * 32..(word + 1) * 32])),
        listensAt: b"node.example.org:7000".into(),
    };
    let keys =
        Keys { bls: fixture["bls key"].parse().unwrap(), possession: point("possession"), consent: point("consent") };
    (keys, node)
}

async fn journey(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let me = suite.act_as(0);
    let (keys, node) = pinned(at, me);
    assert_eq!(node, registry.node(1, 0, "node.example.org:7000"));
    let call = Contract::registerCall { keys: keys.clone(), node };
    suite.accepts_paid("first registration", at, &call, U256::from(32 * ETHER)).await;
    let second = registry.registers(suite, 2, 1, 40 * ETHER).await;
    assert_eq!(second, 2);
    registry.delegates(suite, 0, 1, ETHER).await;
    registry.delegates(suite, 2, 1, 7 * ETHER + 1).await;
    registry.delegates(suite, 2, 2, 5).await;

    let member = registry.member(suite, 1).await;
    let stake = 40 * ETHER + 1;
    assert_eq!((member.owner, member.leftBlock.to::<u64>()), (me, 0));
    assert_eq!((member.stake, member.shares, member.activeShares), (stake, stake, stake));
    assert_eq!((member.ownShares, member.blsKeyHash), (33 * ETHER, key_hash(&keys)));
    assert_eq!(registry.shares(suite, 1, 0).await, U256::from(33 * ETHER));
    assert_eq!(registry.shares(suite, 1, 2).await, U256::from(7 * ETHER + 1));

    // A node that follows has the same, and draws from it.
    let followed = registry.followed(suite).await;
    let seat = followed.registrants()[&1].seat().unwrap();
    assert_eq!((seat.node_key, seat.address.as_str()), (node_key(1), "node.example.org:7000"));
    let stakes = [(1, stake), (2, 40 * ETHER + 5)].map(|(id, stake_wei)| Candidate { id, stake_wei });
    assert_eq!(followed.candidates(), stakes);
    let seed = Seed::new(&crate::support::CHAIN_HASH, 4, &crate::support::CHAIN_HASH, &[3; 32]);
    let drawn = followed.draw(&seed, 64).unwrap();
    assert_eq!(drawn.committee.seats().len(), 2, "possessed keys make a committee");

    // Other keys, another node, another address.
    let other = registry.keys(3, 0);
    suite.act_as(0);
    suite.accepts("rotate the BLS key", at, &Contract::rotateBlsKeyCall { id: 1, keys: other.clone() }).await;
    for (name, number) in [("move", 1), ("rotate the node key", 3)] {
        let rotate = Contract::rotateNodeCall { id: 1, node: registry.node(number, 0, "192.0.2.9:7001") };
        suite.accepts(name, at, &rotate).await;
    }
    assert_eq!(registry.member(suite, 1).await.blsKeyHash, key_hash(&other));
    let seat = registry.followed(suite).await.registrants()[&1].seat().unwrap();
    assert_eq!((seat.node_key, seat.address.as_str()), (node_key(3), "192.0.2.9:7001"));
    assert_eq!(sinter_primitives::committee::uncompress_key(&seat.bls_key).unwrap()[..], other.bls[..]);

    // Everybody leaves, and has his ether.
    let delegated = registry.undelegates(suite, 2, 1, 7 * ETHER + 1).await;
    let own = registry.exits(suite, 0, 1).await;
    assert_eq!(registry.followed(suite).await.candidates(), &stakes[1..]);
    assert_eq!(suite.reads(at, &Contract::registrantsCall {}).await, 1);
    let since = registry.ticket(suite, own).await.since.to::<u64>();
    registry.passes(suite, 20, since).await;
    for (number, holder, wei) in [(own, 0, 33 * ETHER), (delegated, 2, 7 * ETHER + 1)] {
        suite.act_as(holder);
        let to = Address::repeat_byte(0x70 + holder as u8);
        suite.accepts("claim", at, &claim(number, 20, to)).await;
        assert_eq!(suite.balance(to).await, U256::from(wei));
        suite.refuses("claim again", at, &claim(number, 20, to), Contract::TicketUnknown { ticket: number }).await;
    }
    assert_eq!(suite.balance(at).await, U256::from(40 * ETHER + 5), "the others' is still there");
    let member = registry.member(suite, 1).await;
    assert_eq!((member.stake, member.shares, member.activeShares, member.ownShares), (0, 0, 0, 0));
    assert!(member.released);
    assert_eq!(account(0), me);
}

#[tokio::test(flavor = "multi_thread")]
async fn from_registration_to_the_last_claim() {
    let record = both(journey).await;
    // Two signatures, and what they are stored with. Nobody pays more for being one of many.
    assert!(gas_of(&record, "first registration") < 500_000, "{}", gas_of(&record, "first registration"));
    assert!(gas_of(&record, "register") < 500_000);
    assert!(gas_of(&record, "delegate") < 120_000);
    assert!(gas_of(&record, "claim") < 90_000, "{}", gas_of(&record, "claim"));
}
