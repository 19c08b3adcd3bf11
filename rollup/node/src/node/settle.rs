//! From statements that the hub has to a contract that stands behind them, and to withdrawals that are paid.

use super::{NodeError, RollupNode, now_ms};
use crate::{
    checkpoint::{Due, Record},
    contract::{ContractError, Progress},
    sequencer::SequencerError,
};
use alloy::{eips::BlockId, primitives::Bytes};
use serde::{Serialize, de::DeserializeOwned};
use sinter_primitives::{Transition, inbox::Words};
use sinter_rollup::{Application, to_words};
use sinter_settlement::{
    advances::{Reached, Sent, Step},
    hub::Place,
    rollup::{self, Ordered},
};
use std::collections::BTreeSet;

/// Most statements of one settlement.
const CHAIN_MAX: usize = 16;
/// Withdrawals that are looked after at once: those of as many L1 blocks as confirm one, and some to be paid.
const PAYMENTS_MAX: usize = 128;

impl<A> RollupNode<A>
where
    A: Application + Clone + Serialize + DeserializeOwned + Send + 'static,
{
    /// Takes note of what the contract has for good, and advances it over what the hub has.
    pub(super) async fn settle(&mut self) -> Result<(), NodeError> {
        let contract = self.config.contract.clone();
        // First, and whatever becomes of the rest: what waits may have to offer more.
        let is_free = self.advancer.look().await;
        let confirmed = contract.l1_head().await?.saturating_sub(self.config.confirmations);
        self.settled = contract.progress(BlockId::number(confirmed)).await?;
        if self.standing(&self.settled.state)? > 0 {
            while self.standing(&self.settled.state)? > 0 {
                let Some(record) = self.at.settled(now_ms()) else { break };
                tracing::info!(number = record.number, height = record.transition.height, "a statement is settled");
                self.places.remove(&record.number);
            }
            self.folder.write(&self.at)?;
            // After the checkpoint, which names it no more.
            self.folder
                .remove_proofs_below(self.at.pending.front().map_or(self.at.statements, |it| it.record.number))?;
        }
        if !is_free? {
            return Ok(());
        }
        let latest = contract.progress(BlockId::latest()).await?;
        let next = self.standing(&latest.state)?;
        let chain: Vec<(Place, Transition)> = self
            .at
            .pending
            .iter()
            .skip(next)
            .take(CHAIN_MAX)
            .map_while(|pending| {
                let Record { number, transition, .. } = &pending.record;
                Some((self.places.get(number)?.clone(), *transition))
            })
            .collect();
        // The longest chain that can be shown: its end needs a header that the L1 has, and an inbox that is not overdue there.
        let mut refused = None;
        for length in (1..=chain.len()).rev() {
            let call = match self.call(&chain[..length], &latest).await {
                Ok(Some(call)) => call,
                // The relayer is still to come.
                Ok(None) => continue,
                Err(NodeError::Sequencer(error @ SequencerError::Far { .. })) => {
                    tracing::debug!(%error, "a shorter chain is tried");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Progress { state, height, offset, entries } = latest;
            let to = Reached::from(&chain[length - 1].1);
            let step = Step::Advance { before: state.into(), from: Reached { height, offset, entries }, to };
            match self.advancer.advance(step, call).await? {
                Sent::Sent(_) | Sent::Done | Sent::Lately | Sent::NotNow => return Ok(()),
                Sent::Refused(refusal) => refused = Some(refusal),
            }
        }
        let Some(refusal) = refused else { return Ok(()) };
        // Perhaps the hub does not have what the appliance said: it is asked again.
        self.places.clear();
        let number = self.at.pending.get(next).map_or(self.at.statements, |pending| pending.record.number);
        Err(NodeError::Refused { address: contract.address, number, refusal })
    }

    /// The call that advances the contract over a chain, if the L1 has a header that shows its end.
    async fn call(&self, chain: &[(Place, Transition)], latest: &Progress) -> Result<Option<Bytes>, NodeError> {
        let super::Config { namespace, light_client, l1_origin, sequencers, contract, hub, .. } = &self.config;
        let Some((_, last)) = chain.last() else { return Ok(None) };
        if last.height == latest.height {
            // It stays in the block that was shown already.
            return Ok(Some(rollup::settle_call(*hub, chain, None)));
        }
        let posted = contract.posted(*light_client, last.height, *l1_origin).await?;
        let Some(posted) = posted else { return Ok(None) };
        let (headers, leaf) = sequencers.ordered(*namespace, last.height, &posted).await?;
        let ordered = Ordered { headers: &headers, post: posted.post, leaf: &leaf };
        Ok(Some(rollup::settle_call(*hub, chain, Some(&ordered))))
    }

    /// How many pending statements lie behind the contract when it is in this state.
    fn standing(&self, state: &Words) -> Result<usize, NodeError> {
        let pending = &self.at.pending;
        if let Some(index) = pending.iter().position(|pending| pending.record.transition.state_before == *state) {
            return Ok(index);
        }
        let end =
            pending.back().map_or_else(|| to_words(&self.at.state.digest()), |it| it.record.transition.state_after);
        // Before the oldest one is what is settled, and not confirmed any more or not yet.
        let is_older = self.at.history.iter().any(|record| record.transition.state_before == *state);
        match () {
            () if end == *state => Ok(pending.len()),
            () if is_older => Ok(0),
            () => Err(NodeError::State { expected: pending.len(), got: (*state).into() }),
        }
    }

    /// Has withdrawals paid that the L1 has for good. One counts as paid once the contract has said so for `confirmations` blocks;
    /// until then others are paid, and it is looked after.
    pub(super) async fn pay_out(&mut self) -> Result<(), NodeError> {
        if !self.config.pays_out {
            self.at.due.clear();
            return Ok(());
        }
        let mut passed = BTreeSet::new();
        let mut refused = None;
        let due: Vec<(u64, usize)> = self
            .at
            .due
            .iter()
            .flat_map(|due| (due.next..due.withdrawals.len()).map(|index| (due.batch, index)))
            .collect();
        for (batch, index) in due.into_iter().take(PAYMENTS_MAX) {
            let Some(withdrawals) = self.at.due.iter().find(|due| due.batch == batch).map(|due| &due.withdrawals)
            else {
                break;
            };
            let call = rollup::withdraw_call(batch, withdrawals, index).map_err(|error| {
                ContractError::NotAContract { address: self.config.contract.address, reason: error.to_string() }
            })?;
            match self.advancer.pay(batch, index as u64, call).await? {
                Sent::Sent(_) | Sent::NotNow => break,
                Sent::Lately => {}
                Sent::Done => drop(passed.insert((batch, index))),
                // A recipient that cannot be paid does not keep the others from theirs: it can have it paid elsewhere.
                Sent::Refused(refusal) if refusal.is_for_good() => {
                    tracing::warn!(batch, index, %refusal, "a withdrawal is not paid");
                    passed.insert((batch, index));
                }
                Sent::Refused(refusal) => refused = Some(NodeError::Payment { batch, index, refusal }),
            }
        }
        while let Some(Due { batch, withdrawals, next }) = self.at.due.front_mut() {
            if *next < withdrawals.len() {
                if !passed.contains(&(*batch, *next)) {
                    break;
                }
                *next += 1;
            } else {
                self.at.due.pop_front();
            }
        }
        if !passed.is_empty() {
            self.folder.write(&self.at)?;
        }
        refused.map_or(Ok(()), Err)
    }
}
