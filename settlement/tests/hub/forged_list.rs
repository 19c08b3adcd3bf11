//! A root is known, and somebody claims other statements under it: permuted, dropped, doubled, changed, written
//! otherwise, or at places that the tree does not have.

use super::{forged_root, statement, statements};
use crate::suite::{Suite, both, check, places};
use alloy::primitives::{B256, U256};
use sinter_settlement::hub::{Place, contract::AggregationHub};

async fn forgeries(suite: &mut Suite) {
    let hub = suite.hub().await;
    let list = statements(11);
    let places_of = hub.settles(suite, "settle", &list).await;
    let root = places_of[0].root;

    // Permuted: a statement at another one's place. Doubled: at two places. Dropped: others move up.
    for (at, claimed) in [(0, 1), (1, 0), (4, 3), (10, 9), (7, 6)] {
        let name = format!("statement {claimed} at place {at}");
        refuse(suite, hub.address, &name, &list[claimed], &places_of[at]).await;
    }
    // Any bit of it changed.
    for byte in [3, 31, 32, 95, 96, 191, 192, 287] {
        let mut other = list[5];
        if byte < 32 {
            other.0.0[byte] ^= 1;
        } else {
            other.1[byte - 32] ^= 1;
        }
        refuse(suite, hub.address, &format!("byte {byte} changed"), &other, &places_of[5]).await;
    }
    // A path of a list that was never proven: nothing of it is under the root.
    let foreign: Vec<_> = (100..111).map(statement).collect();
    let (_, foreign_places) = places(&foreign);
    let forged = Place { root, ..foreign_places[2].clone() };
    refuse(suite, hub.address, "a forged list", &foreign[2], &forged).await;

    // Written otherwise: the same element plus the prime, or a top bit.
    for (byte, add) in [(0, 0), (28, 1), (32, 0), (284, 1)] {
        let mut other = list[5];
        let bytes = if byte < 32 { &mut other.0.0[byte..byte + 4] } else { &mut other.1[byte - 32..byte - 28] };
        let element = u32::from_be_bytes((&*bytes).try_into().unwrap());
        let written = if add == 0 { element | 1 << 31 } else { 0x7f00_0001 + element % 0x00ff_ffff };
        bytes.copy_from_slice(&written.to_be_bytes());
        let word = if byte < 32 { other.0 } else { B256::from_slice(&other.1[(byte - 32) / 32 * 32..][..32]) };
        let name = format!("an element at byte {byte} that is none");
        let expected = AggregationHub::NotCanonical { word };
        suite.refuses(&name, hub.address, &check(&other, &places_of[5]), expected).await;
    }
    for length in [0, 255, 257, 288] {
        let mut call = check(&list[5], &places_of[5]);
        let mut bytes = call.publicValues.to_vec();
        bytes.resize(length, 0);
        call.publicValues = bytes.into();
        let expected = AggregationHub::PublicValuesLength { expected: U256::from(256), got: U256::from(length) };
        suite.refuses(&format!("{length} bytes of public values"), hub.address, &call, expected).await;
    }
    positions(suite, hub.address, &list, &places_of).await;
}

async fn refuse(
    suite: &mut Suite,
    hub: alloy::primitives::Address,
    name: &str,
    statement: &crate::suite::Statement,
    place: &Place,
) {
    let got = forged_root(statement, place, 11);
    let expected = AggregationHub::StatementNotUnderRoot { expected: place.root, got };
    suite.refuses(name, hub, &check(statement, place), expected).await;
}

/// Indices and paths that the tree does not have.
async fn positions(
    suite: &mut Suite,
    hub: alloy::primitives::Address,
    list: &[crate::suite::Statement],
    places_of: &[Place],
) {
    for index in [11, 12, u32::MAX] {
        let place = Place { index, ..places_of[10].clone() };
        let expected = AggregationHub::IndexOutOfRange { count: U256::from(11), index: U256::from(index) };
        suite.refuses(&format!("index {index} of 11"), hub, &check(&list[10], &place), expected).await;
    }
    // The eleventh of eleven is promoted twice: its path has two steps, the others' four.
    for (index, length, expected) in [(10, 1, 2), (10, 3, 2), (10, 4, 2), (0, 0, 4), (0, 3, 4), (0, 5, 4)] {
        let mut place = places_of[index].clone();
        place.path.resize(length, B256::ZERO);
        let refusal = AggregationHub::PathLength { expected: U256::from(expected), got: U256::from(length) };
        let name = format!("{length} steps for place {index}");
        suite.refuses(&name, hub, &check(&list[index], &place), refusal).await;
    }
    // A node passed off as the statement: a batch of one, whose path is empty, is a leaf and nothing else.
    let place = Place { index: 0, path: places_of[0].path[1..].to_vec(), root: places_of[0].root };
    let refusal = AggregationHub::PathLength { expected: U256::from(4), got: U256::from(3) };
    suite.refuses("a shorter way to the root", hub, &check(&list[0], &place), refusal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_statement_is_under_a_known_root() {
    both(forgeries).await;
}
