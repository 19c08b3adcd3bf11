//! An adversary: a seat sends well-formed transactions as fast as its channel carries them.

use super::*;

/// Seat 3 sends `messages` batches of `transactions` made-up ones to seat 0.
async fn flood(context: &Context, committee: &mut Committee, messages: u64, transactions: u64) {
    let to = committee.keys[0].clone();
    for message in 0..messages {
        let made_up = |number| transaction(1, (message << 32) + number + (1 << 62), 200, 500);
        let batch = Batch { visibility: Visibility::Public, transactions: (0..transactions).map(made_up).collect() };
        let (sender, _) = &mut committee.raw[0];
        sender.send(Recipients::One(to.clone()), batch.encode(), false);
        context.sleep(Duration::from_millis(2)).await;
    }
    context.sleep(SOON).await;
}

#[test]
fn cannot_fill_the_pool_nor_silence_others() {
    let pool = MempoolConfig { transactions_max: 4_000, namespace_transactions_max: 4_000, ..MempoolConfig::default() };
    run(Setup { honest: 3, pool, ..Setup::default() }, |context, mut committee| async move {
        flood(&context, &mut committee, 20, 1_000).await;
        assert_eq!(committee.pending()[0], 1_000, "its part: a quarter");
        committee.lead(&[0]);
        committee.pools[1].insert(transaction(1, 1, 200, 100), account(1), Visibility::Public).unwrap();
        context.sleep(SOON).await;
        assert_eq!(committee.pending()[0], 1_001, "another seat's still get through");
        assert!(committee.blocked().await.is_empty());
    });
}

#[test]
fn cannot_make_others_read_more_than_its_quota() {
    let quota = Quota::per_second(NZU32!(1 << 20));
    let config = DisseminationConfig { peer_bytes_per_second_max: 1, ..DisseminationConfig::default() };
    run(Setup { honest: 3, quota, config, ..Setup::default() }, |context, mut committee| async move {
        // The bucket holds one largest message of 262,144 bytes; a batch is 21,900. All come within 80 ms.
        flood(&context, &mut committee, 40, 100).await;
        let read = committee.pending()[0];
        assert!((1_100..=1_600).contains(&read), "{read}");
    });
}
