//! What a rollup takes from the L1 and gives back: bounds, and paths that lead to their root. That the contract
//! computes the same hashes is tested in `settlement`.

use sinter_primitives::{
    Namespace,
    inbox::{
        Domain, EntryError, EntryKind, InboxEntry, PAYLOAD_BYTES_MAX, Withdrawal, Words, compress, withdrawals_path,
        withdrawals_root,
    },
};

fn entry() -> InboxEntry {
    InboxEntry { kind: EntryKind::Deposit, sender: [3; 20], wei: 7, deadline: 9, payload: vec![1; 32] }
}

#[test]
fn an_entry_lies_as_documented() {
    let bytes = entry().encode().expect("within its bounds");
    let fields: [&[u8]; 6] =
        [&[1], &[3; 20], &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7], &[0, 0, 0, 0, 9], &[0, 32], &[1; 32]];
    assert_eq!(bytes, fields.concat());
    assert_eq!(bytes.len() % 24, 0, "32 bytes of payload fill three permutations");
}

#[test]
fn fields_beyond_their_bounds_are_refused() {
    let wei = 1 << 96;
    assert_eq!(InboxEntry { wei, ..entry() }.encode(), Err(EntryError::Wei(wei)));
    assert_eq!(InboxEntry { deadline: 1 << 40, ..entry() }.encode(), Err(EntryError::Deadline(1 << 40)));
    let payload = vec![0; PAYLOAD_BYTES_MAX + 1];
    assert_eq!(InboxEntry { payload, ..entry() }.encode(), Err(EntryError::Payload(PAYLOAD_BYTES_MAX + 1)));
    assert_eq!(Withdrawal { recipient: [0; 20], wei }.leaf(), Err(EntryError::Wei(wei)));
    let most = InboxEntry { wei: wei - 1, deadline: (1 << 40) - 1, payload: vec![0; PAYLOAD_BYTES_MAX], ..entry() };
    assert!(most.encode().is_ok());
}

#[test]
fn every_field_is_bound() {
    let domain = Domain { l1_chain_id: 1, settlement: [2; 20], chain_id: 3, namespace: Namespace(4) };
    let domains = [
        domain,
        Domain { l1_chain_id: 2, ..domain },
        Domain { settlement: [3; 20], ..domain },
        Domain { chain_id: 4, ..domain },
        Domain { namespace: Namespace(5), ..domain },
    ];
    let mut digests: Vec<Words> = domains.iter().map(Domain::digest).collect();
    let start = digests[0];
    let entries = [
        entry(),
        InboxEntry { kind: EntryKind::Forced, ..entry() },
        InboxEntry { sender: [4; 20], ..entry() },
        InboxEntry { wei: 8, ..entry() },
        InboxEntry { deadline: 10, ..entry() },
        InboxEntry { payload: vec![1; 33], ..entry() },
        InboxEntry { payload: [vec![1; 31], vec![0]].concat(), ..entry() },
        InboxEntry { payload: vec![1; 31], ..entry() },
    ];
    digests.extend(entries.iter().map(|entry| entry.roll(&start).expect("within its bounds")));
    digests.push(entry().roll(&digests[1]).expect("within its bounds"));
    let mut distinct = digests.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn paths_lead_to_the_root() {
    assert_eq!(withdrawals_root(&[]), [0; 32]);
    for count in 1..=20_u8 {
        let leaves: Vec<Words> = (0..count)
            .map(|i| Withdrawal { recipient: [i; 20], wei: u128::from(i) << 90 }.leaf().expect("within its bounds"))
            .collect();
        for (index, leaf) in leaves.iter().enumerate() {
            let path = withdrawals_path(&leaves, index).expect("a leaf");
            let (mut position, mut last, mut hash, mut used) = (index, leaves.len() - 1, *leaf, path.iter());
            while last > 0 {
                if position & 1 == 1 {
                    hash = compress(used.next().expect("a path of this length"), &hash);
                } else if position < last {
                    hash = compress(&hash, used.next().expect("a path of this length"));
                }
                (position, last) = (position >> 1, last >> 1);
            }
            assert_eq!((hash, used.next()), (withdrawals_root(&leaves), None), "{index} of {count}");
        }
        assert_eq!(withdrawals_path(&leaves, leaves.len()), None);
    }
}
