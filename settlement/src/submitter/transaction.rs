//! A transaction, from what it does to signed bytes that nodes take.

use super::{Settings, SubmitError, fees::Fees, journal::Attempt, now_ms};
use crate::dev_l1::{TRANSACTION_BYTES_MAX, TRANSACTION_GAS_MAX};
use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::Encodable2718,
    network::TxSignerSync,
    primitives::{Address, Bytes, TxKind, U256},
};

/// Gas of a transaction that does nothing.
pub(super) const GAS_LEAST: u64 = 21_000;
/// Percent of gas above the estimate: state may move before the transaction runs.
const GAS_MARGIN_PERCENT: u64 = 15;

/// What a transaction does.
#[derive(Clone, Debug)]
pub(super) struct Act {
    pub(super) nonce: u64,
    pub(super) to: Address,
    pub(super) gas_limit: u64,
    pub(super) input: Bytes,
    pub(super) cancels: bool,
}

impl Act {
    /// Signs it, if nodes would take it by its size.
    pub(super) fn sign(self, settings: &Settings, fees: Fees) -> Result<Attempt, SubmitError> {
        let cancels = self.cancels;
        let floor_gas = floor_gas(&self.input);
        let mut transaction = TxEip1559 {
            chain_id: settings.l1_chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: fees.fee_wei,
            max_priority_fee_per_gas: fees.tip_wei,
            to: TxKind::Call(self.to),
            value: U256::ZERO,
            access_list: Default::default(),
            input: self.input,
        };
        let signature = settings.signer.sign_transaction_sync(&mut transaction)?;
        let signed = transaction.into_signed(signature);
        let (hash, raw): (_, Bytes) = (*signed.hash(), signed.encoded_2718().into());
        if raw.len() > TRANSACTION_BYTES_MAX {
            return Err(SubmitError::Oversized {
                bytes: raw.len(),
                bytes_max: TRANSACTION_BYTES_MAX,
                floor_gas,
                gas_max: TRANSACTION_GAS_MAX,
            });
        }
        Ok(Attempt { hash, raw, fee_wei: fees.fee_wei, tip_wei: fees.tip_wei, signed_at_ms: now_ms(), cancels })
    }
}

/// The least that a transaction with this calldata costs (EIP-7623).
fn floor_gas(input: &[u8]) -> u64 {
    let tokens: u64 = input.iter().map(|byte| if *byte == 0 { 1 } else { 4 }).sum();
    GAS_LEAST.saturating_add(tokens.saturating_mul(10))
}

/// The gas limit of a call that is estimated at `gas`: with a margin, at least the calldata's floor, at most what a
/// transaction may have.
pub(super) fn gas_limit(gas: u64, input: &[u8]) -> Result<u64, SubmitError> {
    let least = gas.max(floor_gas(input));
    if least > TRANSACTION_GAS_MAX {
        return Err(SubmitError::GasCap { gas: least, gas_max: TRANSACTION_GAS_MAX });
    }
    Ok(least.saturating_add(gas / 100 * GAS_MARGIN_PERCENT).min(TRANSACTION_GAS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gas_limit_lies_between_the_floor_and_the_cap() {
        assert_eq!(gas_limit(100_000, &[1; 10]).expect("little"), 115_000);
        // 21,000 and 40 a byte.
        assert_eq!(gas_limit(30_000, &[1; 1000]).expect("little"), 61_000 + 4500);
        assert_eq!(floor_gas(&[0; 1000]), 31_000);
        assert_eq!(gas_limit(TRANSACTION_GAS_MAX - 5, &[]).expect("just enough"), TRANSACTION_GAS_MAX);
        assert!(matches!(
            gas_limit(TRANSACTION_GAS_MAX + 1, &[]),
            Err(SubmitError::GasCap { gas: 16_777_217, gas_max: 16_777_216 })
        ));
    }
}
