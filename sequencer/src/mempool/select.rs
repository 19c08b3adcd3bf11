//! What goes into the next block: fair between namespaces, in order of arrival within each.
//!
//! Fair queueing by bytes. Each lane counts the block bytes that it has been served; the next transaction
//! always comes from the lane that has been served least. So a lane that floods gets what the others
//! leave, and a lane whose next transaction is large waits until it is due, but no longer: it is then
//! taken first, into a whole block. (Deficit round robin within one block would pass that lane by, block
//! after block.) Service counts once it is final; what unfinalized ancestors hold counts while choosing.
//! A lane that was idle joins at the level of the least served, so that idleness is no claim on others.

use super::state::{Entry, State};
use commonware_codec::{EncodeSize, FixedSize};
use sinter_primitives::{Namespace, Transaction, TransactionId, fees::metered_bytes};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

/// What was picked for one lane.
pub(super) struct Picked {
    /// Whose it is.
    pub namespace: Namespace,
    /// In order of arrival, behind what opens the lane.
    pub transactions: Vec<Transaction>,
}

/// Room in a block.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    pub bytes: usize,
    pub transactions: usize,
}

impl State {
    /// Picks transactions for a block at `height` that holds none of `exclude`; lanes in the order of their opening,
    /// none empty. The body made of them, and of what has `taken` room in it already, is within the chain's bounds, and each lane is
    /// metered for no more than its namespace may have.
    pub fn select(
        &self,
        height: u64,
        exclude: &HashSet<TransactionId>,
        taken: Room,
        metered_max: impl Fn(Namespace) -> u64,
    ) -> Vec<Picked> {
        let parameters = &self.parameters;
        // A lane's head is taken at its largest: what that wastes, 2 bytes a lane, is not worth a recount.
        let lane_head_bytes = Namespace::SIZE + parameters.block_transactions_max.encode_size();
        let mut room = Room {
            bytes: parameters.block_bytes_max.saturating_sub(self.lanes.len().encode_size() + taken.bytes),
            transactions: parameters.block_transactions_max.saturating_sub(taken.transactions),
        };
        let mut picked: Vec<Vec<Transaction>> = self.lanes.iter().map(|_| Vec::new()).collect();
        let mut metered: Vec<u64> = self.lanes.iter().map(|lane| metered_max(lane.namespace)).collect();
        let mut cursors: Vec<_> =
            self.lanes.iter().map(|lane| lane.openers.get(&height).into_iter().chain(lane.queue.values())).collect();
        // Equals take turns at going first.
        let turn = |lane: usize| (lane as u64).wrapping_add(height) % self.lanes.len().max(1) as u64;
        let mut least_served: BinaryHeap<_> = self
            .lanes
            .iter()
            .enumerate()
            .filter(|(_, lane)| !lane.is_empty())
            .map(|(index, lane)| Reverse((lane.served, turn(index), index)))
            .collect();

        while room.transactions > 0
            && let Some(Reverse((mut served, turn, lane))) = least_served.pop()
        {
            let next = cursors[lane].find(|entry| {
                let taken = exclude.contains(&entry.id);
                if taken {
                    served += self.charge(entry.bytes);
                }
                !taken && self.is_orderable(entry, height)
            });
            let Some(entry) = next else { continue };
            let bytes = entry.bytes + if picked[lane].is_empty() { lane_head_bytes } else { 0 };
            // A lane whose next one does not fit is done: taking a later one would break its order.
            let Some(bytes_left) = room.bytes.checked_sub(bytes) else { continue };
            let Some(metered_left) = metered[lane].checked_sub(metered_bytes(&entry.transaction)) else { continue };
            (room.bytes, metered[lane]) = (bytes_left, metered_left);
            room.transactions -= 1;
            picked[lane].push(entry.transaction.clone());
            least_served.push(Reverse((served + self.charge(entry.bytes), turn, lane)));
        }
        let picked = picked.into_iter().zip(&self.lanes).filter(|(transactions, _)| !transactions.is_empty());
        picked.map(|(transactions, lane)| Picked { namespace: lane.namespace, transactions }).collect()
    }

    /// `height <= expiry_height < height + expiry_blocks`.
    fn is_orderable(&self, entry: &Entry, height: u64) -> bool {
        let expiry = entry.transaction.expiry_height;
        height <= expiry && expiry - height < self.parameters.expiry_blocks
    }
}
