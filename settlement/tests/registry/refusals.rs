//! What nobody can register, and what is not for everybody.

use super::fixture::{ETHER, Registry, STAKE_MIN, account, key_hash, secret};
use crate::{
    suite::{Suite, both},
    support::L1_CHAIN_ID,
};
use alloy::{
    primitives::{Bytes, FixedBytes, U256},
    sol_types::SolCall,
};
use blst::min_sig::{AggregatePublicKey, SecretKey};
use sinter_primitives::{certificate::uncompress_g1, committee::uncompress_key};
use sinter_settlement::registry::{self, contract::CommitteeRegistry as Contract};

fn words(point: [u8; 96]) -> [FixedBytes<32>; 3] {
    [0, 1, 2].map(|word| FixedBytes::from_slice(&point[word * 32..(word + 1) * 32]))
}

async fn registering(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN).await;
    let taken = registry.registration(1, 1);
    suite.act_as(0);
    let minimum = U256::from(STAKE_MIN);
    let sound = || registry.registration(5, 0);

    let below = Contract::BelowMinimum { minimum, got: minimum - U256::ONE };
    suite.refuses_paid("a wei less", at, sound().abi_encode().into(), minimum - U256::ONE, below).await;
    for length in [0, 260] {
        let mut call = sound();
        call.node.listensAt = vec![b'a'; length].into();
        let refusal = Contract::AddressLength { maximum: U256::from(259), got: U256::from(length) };
        suite.refuses_paid("an address's length", at, call.abi_encode().into(), minimum, refusal).await;
    }
    let mut call = sound();
    call.keys.bls = call.keys.bls[..191].to_vec().into();
    let length = Contract::LengthMismatch { expected: U256::from(192), got: U256::from(191) };
    suite.refuses_paid("a key too short", at, call.abi_encode().into(), minimum, length).await;

    // Keys that are somebody's, or were.
    let mut call = sound();
    call.keys = taken.keys.clone();
    let key = Contract::BlsKeyTaken { keyHash: key_hash(&taken.keys), member: 1 };
    suite.refuses_paid("a BLS key that is taken", at, call.abi_encode().into(), minimum, key).await;

    // Proofs of something else.
    let other = registry.keys(6, 0);
    let mut call = sound();
    call.keys.possession = other.possession;
    let possession = || Contract::InvalidProofOfPossession {};
    suite.refuses_paid("another's possession", at, call.abi_encode().into(), minimum, possession()).await;
    call.keys.possession = call.keys.consent;
    suite.refuses_paid("a consent as possession", at, call.abi_encode().into(), minimum, possession()).await;
    // Seen in the mempool, and sent by somebody else.
    let call = Contract::registerCall { keys: registry.keys(5, 1), ..sound() };
    let consent = || Contract::InvalidConsent { owner: account(0) };
    suite.refuses_paid("another owner's", at, call.abi_encode().into(), minimum, consent()).await;
    let mut call = sound();
    call.keys.consent = call.keys.possession;
    suite.refuses_paid("a possession as consent", at, call.abi_encode().into(), minimum, consent()).await;
    let elsewhere = registry::keys(&secret(5), L1_CHAIN_ID, account(7), account(0)).unwrap();
    let call = Contract::registerCall { keys: elsewhere, ..sound() };
    suite.refuses_paid("for another registry", at, call.abi_encode().into(), minimum, consent()).await;

    // Points that are none.
    let identity = || Contract::IdentityPoint {};
    let point = || Contract::InvalidPoint {};
    let mut call = sound();
    call.keys.bls = vec![0; 192].into();
    suite.refuses_paid("the identity as key", at, call.abi_encode().into(), minimum, identity()).await;
    let mut call = sound();
    call.keys.possession = words([0; 96]);
    suite.refuses_paid("the identity as proof", at, call.abi_encode().into(), minimum, identity()).await;
    let mut call = sound();
    let mut bytes = call.keys.bls.to_vec();
    bytes[191] ^= 1;
    call.keys.bls = bytes.into();
    suite.refuses_paid("a key off the curve", at, call.abi_encode().into(), minimum, point()).await;
    let mut compressed = [0; 48];
    (compressed[0], compressed[47]) = (0x80, 4);
    let mut call = sound();
    call.keys.possession = words(uncompress_g1(&compressed).unwrap());
    suite.refuses_paid("a proof outside the subgroup", at, call.abi_encode().into(), minimum, point()).await;

    // Four is all that these parameters allow.
    for number in [2, 3, 4] {
        registry.registers(suite, number, 1, STAKE_MIN).await;
    }
    suite.act_as(0);
    let full = Contract::RegistryFull { maximum: U256::from(4) };
    suite.refuses_paid("one too many", at, sound().abi_encode().into(), minimum, full).await;
    registry.exits(suite, 1, 3).await;
    registry.registers(suite, 5, 0, STAKE_MIN).await;
    // Who left took his keys with him.
    let call = registry.registration(3, 1);
    let key = Contract::BlsKeyTaken { keyHash: key_hash(&call.keys), member: 3 };
    registry.exits(suite, 1, 4).await;
    suite.refuses_paid("a key that was used", at, call.abi_encode().into(), minimum, key).await;
}

/// Whoever subtracts the others' keys from his own could sign for all of them; he cannot show that he has the
/// difference's secret.
async fn rogue_keys(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    let key_of = |number| SecretKey::from_bytes(&secret(number)).unwrap();
    let attacker = key_of(9);
    let mut difference = AggregatePublicKey::from_public_key(&attacker.sk_to_pk());
    for number in 1..=3 {
        registry.registers(suite, number, 1, STAKE_MIN).await;
        difference.sub_aggregate(&AggregatePublicKey::from_public_key(&key_of(number).sk_to_pk()));
    }
    suite.act_as(0);
    let rogue = difference.to_public_key().compress();
    let mut call = registry.registration(9, 0);
    call.keys.bls = uncompress_key(&rogue).unwrap().to_vec().into();
    let minimum = U256::from(STAKE_MIN);
    let refused = || Contract::InvalidProofOfPossession {};
    suite.refuses_paid("with the proof of his own key", at, call.abi_encode().into(), minimum, refused()).await;
    let message = sinter_primitives::committee::possession_message(&rogue);
    let signed = attacker.sign(&message, sinter_primitives::committee::POSSESSION_DST, &[]).serialize();
    call.keys.possession = words(signed);
    suite.refuses_paid("signed with his own", at, call.abi_encode().into(), minimum, refused()).await;
    // The sum of the honest proofs is over other messages.
    let proofs = (1..=3).map(|number| {
        let secret = key_of(number);
        let key = secret.sk_to_pk().compress();
        let message = sinter_primitives::committee::possession_message(&key);
        secret.sign(&message, sinter_primitives::committee::POSSESSION_DST, &[])
    });
    let proofs: Vec<_> = proofs.collect();
    let sum = blst::min_sig::AggregateSignature::aggregate(&proofs.iter().collect::<Vec<_>>(), true).unwrap();
    call.keys.possession = words(sum.to_signature().serialize());
    suite.refuses_paid("with the others' proofs", at, call.abi_encode().into(), minimum, refused()).await;
}

async fn acting(suite: &mut Suite) {
    let registry = Registry::new(suite).await;
    let at = registry.address;
    registry.registers(suite, 1, 1, STAKE_MIN + 5).await;
    registry.registers(suite, 2, 2, STAKE_MIN).await;

    // Not his.
    let stranger = suite.act_as(3);
    let not_owner = || Contract::NotTheOwner { expected: account(1), got: stranger };
    let keys = registry.keys(3, 3);
    suite.refuses("rotate another's", at, &Contract::rotateBlsKeyCall { id: 1, keys }, not_owner()).await;
    let move_ = |id, number| Contract::rotateNodeCall { id, node: registry.node(number, 1, "192.0.2.1:1") };
    suite.refuses("move another's", at, &move_(1, 3), not_owner()).await;
    suite.refuses("end another's", at, &Contract::exitCall { id: 1 }, not_owner()).await;
    let none = Contract::InsufficientShares { held: U256::ZERO, got: U256::ONE };
    suite.refuses("another's shares", at, &Contract::undelegateCall { id: 1, shares: 1 }, none).await;

    // Nobody there.
    let unknown = || Contract::MemberUnknown { member: 7 };
    let delegate = Contract::delegateCall { id: 7 }.abi_encode();
    suite.refuses_paid("delegate to nobody", at, delegate.into(), U256::from(ETHER), unknown()).await;
    suite.refuses("undelegate from nobody", at, &Contract::undelegateCall { id: 7, shares: 1 }, unknown()).await;
    suite.refuses("end nobody's", at, &Contract::exitCall { id: 7 }, unknown()).await;
    let nothing = || Contract::NoShares {};
    suite.refuses("delegate nothing", at, &Contract::delegateCall { id: 1 }, nothing()).await;
    suite.refuses("undelegate nothing", at, &Contract::undelegateCall { id: 1, shares: 0 }, nothing()).await;

    // The owner's own.
    suite.act_as(1);
    let minimum = U256::from(STAKE_MIN);
    let below = Contract::BelowMinimum { minimum, got: minimum - U256::ONE };
    suite.refuses("below the minimum", at, &Contract::undelegateCall { id: 1, shares: 6 }, below).await;
    suite.accepts("down to the minimum", at, &Contract::undelegateCall { id: 1, shares: 5 }).await;
    let call = Contract::rotateBlsKeyCall { id: 1, keys: registry.keys(1, 1) };
    let taken = Contract::BlsKeyTaken { keyHash: key_hash(&call.keys), member: 1 };
    suite.refuses("rotate to the same", at, &call, taken).await;
    let keys = registry.keys(4, 1);
    suite.accepts("rotate", at, &Contract::rotateBlsKeyCall { id: 1, keys }).await;
    let taken = Contract::BlsKeyTaken { keyHash: key_hash(&call.keys), member: 1 };
    suite.refuses("rotate back", at, &call, taken).await;
    for length in [0, 260] {
        let mut call = move_(1, 4);
        call.node.listensAt = vec![b'a'; length].into();
        let refusal = Contract::AddressLength { maximum: U256::from(259), got: U256::from(length) };
        suite.refuses("an address's length", at, &call, refusal).await;
    }
    suite.accepts("another node", at, &move_(1, 4)).await;

    // After the end.
    registry.exits(suite, 1, 1).await;
    let left = || Contract::MemberLeft { member: 1 };
    suite.refuses("end twice", at, &Contract::exitCall { id: 1 }, left()).await;
    suite.refuses("move after the end", at, &move_(1, 5), left()).await;
    let delegate = Contract::delegateCall { id: 1 }.abi_encode();
    suite.refuses_paid("delegate after the end", at, delegate.into(), U256::from(ETHER), left()).await;
    let got = suite.l1.read(suite.me(), alloy::primitives::TxKind::Call(at), Bytes::new(), U256::ONE).await;
    assert_eq!(got, Err(Bytes::new()), "ether without a call");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_can_register() {
    both(registering).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rogue_keys_cannot_register() {
    both(rogue_keys).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_everybody() {
    both(acting).await;
}
