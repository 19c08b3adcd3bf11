//! The accumulator against a second, slow implementation of its definition, and what it binds.

use p3_field::PrimeField32;
use p3_koala_bear::{KoalaBear, default_koalabear_poseidon2_16};
use p3_symmetric::Permutation;
use proptest::{collection::vec, prelude::*};
use sinter_primitives::{
    Accumulator, Namespace, Transaction, TransactionKind,
    accumulator::{CHUNK_ELEMENTS, HEAD_ELEMENTS, Position},
    testkit::transaction,
};

const AT: Position =
    Position { chain_id: 5, namespace: Namespace(7), height: 3, timestamp_ms: 1_700_000_000_000, l1_origin_number: 9 };

type Digest = Vec<u64>;

fn permute(state: &[u64]) -> Vec<u64> {
    let mut elements: [KoalaBear; 16] = std::array::from_fn(|i| KoalaBear::new(state[i] as u32));
    default_koalabear_poseidon2_16().permute_mut(&mut elements);
    elements.iter().map(|element| u64::from(element.as_canonical_u32())).collect()
}

fn compress(left: &Digest, right: &Digest) -> Digest {
    permute(&[left.clone(), right.clone()].concat())[..8].to_vec()
}

fn sponge(tag: u64, length: usize, elements: &[u64]) -> Digest {
    let mut state = vec![0; 16];
    (state[8], state[9]) = (tag, length as u64);
    for group in elements.chunks(8) {
        for (i, element) in state.iter_mut().take(8).enumerate() {
            *element = group.get(i).copied().unwrap_or(0);
        }
        state = permute(&state);
    }
    state[..8].to_vec()
}

fn three(value: u64) -> [u64; 3] {
    [value % (1 << 24), (value >> 24) % (1 << 24), value >> 48]
}

/// The module's definition, step by step.
fn reference(previous: &Accumulator, at: &Position, transactions: &[Transaction]) -> Accumulator {
    let mut stream = Vec::new();
    for transaction in transactions {
        stream.extend([transaction.kind as u64, transaction.payload.len() as u64]);
        stream.extend(three(transaction.expiry_height));
        let bytes = transaction.payload.chunks(3);
        stream.extend(bytes.map(|three| three.iter().rev().fold(0, |element, byte| element * 256 + u64::from(*byte))));
    }
    let mut digests: Vec<Digest> = stream.chunks(512).map(|chunk| sponge(1, 3 * chunk.len(), chunk)).collect();
    while digests.len() > 1 {
        digests = digests
            .chunks(2)
            .map(|pair| if let [left, right] = pair { compress(left, right) } else { pair[0].clone() })
            .collect();
    }
    let mut head = digests.pop().unwrap_or(vec![0; 8]);
    for value in [
        at.chain_id,
        at.namespace.0,
        at.height,
        at.timestamp_ms,
        at.l1_origin_number,
        transactions.len() as u64,
        stream.len() as u64,
    ] {
        head.extend(three(value));
    }
    accumulator(&compress(&elements(previous), &sponge(2, 29, &head)))
}

fn elements(accumulator: &Accumulator) -> Digest {
    accumulator.elements().map(u64::from).to_vec()
}

fn accumulator(digest: &Digest) -> Accumulator {
    let bytes: Vec<u8> = digest.iter().flat_map(|element| (*element as u32).to_be_bytes()).collect();
    Accumulator(bytes.try_into().expect("eight elements"))
}

fn genesis() -> Accumulator {
    Accumulator::genesis(AT.chain_id, AT.namespace)
}

#[test]
fn genesis_follows_the_definition() {
    let expected = sponge(3, 6, &[three(5), three(7)].concat());
    assert_eq!(genesis(), accumulator(&expected));
    assert_ne!(genesis(), Accumulator::genesis(7, Namespace(5)));
    let wide = Accumulator::genesis(u64::MAX, Namespace(1 << 48));
    assert_eq!(wide, accumulator(&sponge(3, 6, &[three(u64::MAX), three(1 << 48)].concat())));
}

/// Around every edge: of an element, of a permutation, of a chunk, of a group of lanes, of a tree.
#[test]
fn lengths_around_every_edge_follow_the_definition() {
    let chunks = [0, 1, 2, 3, 8, 9, 16, 23, 40].map(|chunks| 3 * chunks * CHUNK_ELEMENTS);
    for edge in [3, 24].into_iter().chain(chunks) {
        for bytes in edge.saturating_sub(2)..edge + 3 {
            let payload: Vec<u8> =
                (0..bytes.saturating_sub(3 * HEAD_ELEMENTS)).map(|i| (i * 7 + i / 251) as u8).collect();
            let transactions = [transaction(AT.namespace, payload)];
            assert_eq!(
                genesis().advance(&AT, &transactions),
                reference(&genesis(), &AT, &transactions),
                "{bytes} bytes"
            );
        }
    }
    assert_eq!(genesis().advance(&AT, &[]), reference(&genesis(), &AT, &[]), "no transactions");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_block_follows_the_definition(
        n in any::<[u64; 5]>(),
        transactions in vec(crate::strategies::transaction(), 0..12),
        previous in crate::strategies::accumulator(),
    ) {
        let [chain_id, namespace, height, timestamp_ms, l1_origin_number] = n;
        let at = Position { chain_id, namespace: Namespace(namespace), height, timestamp_ms, l1_origin_number };
        prop_assert_eq!(previous.advance(&at, &transactions), reference(&previous, &at, &transactions));
    }
}

#[test]
fn everything_is_bound() {
    let base = vec![transaction(AT.namespace, "ab"), transaction(AT.namespace, "c")];
    let good = genesis().advance(&AT, &base);
    let with = |at: Position| genesis().advance(&at, &base);
    let of = |transactions: &[Transaction]| genesis().advance(&AT, transactions);
    let edit = |edit: fn(&mut Transaction)| {
        let mut transactions = base.clone();
        edit(&mut transactions[0]);
        of(&transactions)
    };
    let others = [
        with(Position { chain_id: 6, ..AT }),
        with(Position { namespace: Namespace(8), ..AT }),
        with(Position { height: 4, ..AT }),
        with(Position { timestamp_ms: AT.timestamp_ms + 1, ..AT }),
        with(Position { l1_origin_number: 10, ..AT }),
        // Values that trade places, or a limb that moves.
        with(Position { height: AT.l1_origin_number, l1_origin_number: AT.height, ..AT }),
        with(Position { height: AT.height << 24, ..AT }),
        edit(|transaction| transaction.kind = TransactionKind::Inbox),
        edit(|transaction| transaction.kind = TransactionKind::Express),
        edit(|transaction| transaction.expiry_height += 1),
        edit(|transaction| transaction.payload = "aB".into()),
        // A trailing zero byte, which the padding of elements also is.
        edit(|transaction| transaction.payload = "ab\0".into()),
        // Bytes that move over a boundary between transactions.
        of(&[transaction(AT.namespace, "a"), transaction(AT.namespace, "bc")]),
        of(&[transaction(AT.namespace, "abc")]),
        of(&[transaction(AT.namespace, "abc"), transaction(AT.namespace, "")]),
        of(&[base[1].clone(), base[0].clone()]),
        of(&base[..1]),
        of(&[]),
        good.advance(&AT, &base),
    ];
    for (number, other) in others.iter().enumerate() {
        assert_ne!(*other, good, "change {number}");
    }
}
