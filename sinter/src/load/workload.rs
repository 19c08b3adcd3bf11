//! Signed Ethereum transactions, as wallets make them: types 0, 2 and 4, in every namespace that speaks
//! Ethereum.

use alloy::{
    consensus::{SignableTransaction, TxEip1559, TxEip7702, TxLegacy},
    eips::{eip2718::Encodable2718, eip7702::Authorization},
    primitives::{Address, B256, Bytes, TxKind, U256},
    signers::{Error as SignerError, SignerSync, local::PrivateKeySigner},
};
use rand::Rng;
use sinter_primitives::Namespace;

/// Accounts in each namespace: enough that no one's quota is what is measured.
const ACCOUNTS_PER_LANE: usize = 64;
const GAS_PRICE_WEI: u128 = 1_000_000_000;
/// EIP-7623's floor of 40 gas a byte of data, on top of what a transfer with an authorization costs.
const GAS_BASE: u64 = 100_000;
const GAS_PER_BYTE: u64 = 40;

/// A namespace that transactions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneTarget {
    /// Its id.
    pub namespace: Namespace,
    /// The chain id that its transactions are signed for.
    pub evm_chain_id: u64,
}

/// A transaction that is ready to be sent.
#[derive(Clone, Debug)]
pub struct Signed {
    /// Where it goes.
    pub namespace: Namespace,
    /// Its hash, as Ethereum counts it.
    pub hash: B256,
    /// Its EIP-2718 encoding.
    pub raw: Bytes,
}

struct Account {
    signer: PrivateKeySigner,
    nonce: u64,
}

struct Lane {
    target: LaneTarget,
    accounts: Vec<Account>,
}

/// Makes transactions without end: lanes in turn, types in turn, accounts in turn.
pub struct Workload {
    lanes: Vec<Lane>,
    payload_bytes: usize,
    made: usize,
}

impl Workload {
    /// New accounts in each of `targets`, so that no two runs make the same transaction.
    ///
    /// # Errors
    /// When the system gives no random key.
    pub fn new(targets: &[LaneTarget], payload_bytes: usize) -> Result<Self, SignerError> {
        let account = || {
            let key: [u8; 32] = rand::random();
            Ok(Account { signer: PrivateKeySigner::from_bytes(&B256::from(key))?, nonce: 0 })
        };
        let lanes = targets.iter().map(|target| {
            let accounts = (0..ACCOUNTS_PER_LANE).map(|_| account()).collect::<Result<_, SignerError>>()?;
            Ok(Lane { target: *target, accounts })
        });
        Ok(Self { lanes: lanes.collect::<Result<_, SignerError>>()?, payload_bytes, made: 0 })
    }

    /// The next transaction; `None` when there is no lane to make one for.
    ///
    /// # Errors
    /// When signing fails.
    pub fn make(&mut self) -> Result<Option<Signed>, SignerError> {
        let (lanes, made) = (self.lanes.len(), self.made);
        let Some(lane) = made.checked_rem(lanes).and_then(|place| self.lanes.get_mut(place)) else {
            return Ok(None);
        };
        self.made += 1;
        let turn = made / lanes;
        let evm_chain_id = lane.target.evm_chain_id;
        let accounts = lane.accounts.len();
        let account = &mut lane.accounts[turn / 3 % accounts];
        let mut data = vec![0; self.payload_bytes];
        rand::rng().fill_bytes(&mut data);
        let draft = Draft {
            evm_chain_id,
            nonce: account.nonce,
            to: Address::from(rand::random::<[u8; 20]>()),
            data: data.into(),
        };
        account.nonce += 1;
        let signer = &account.signer;
        let (hash, raw) = match turn % 3 {
            0 => sign(draft.legacy(), signer)?,
            1 => sign(draft.dynamic_fee(), signer)?,
            _ => sign(draft.set_code(signer)?, signer)?,
        };
        Ok(Some(Signed { namespace: lane.target.namespace, hash, raw }))
    }
}

/// What all types have in common.
struct Draft {
    evm_chain_id: u64,
    nonce: u64,
    to: Address,
    data: Bytes,
}

impl Draft {
    fn gas_limit(&self) -> u64 {
        GAS_BASE + GAS_PER_BYTE * self.data.len() as u64
    }

    /// Type 0, signed as EIP-155 has it.
    fn legacy(self) -> TxLegacy {
        TxLegacy {
            chain_id: Some(self.evm_chain_id),
            nonce: self.nonce,
            gas_price: GAS_PRICE_WEI,
            gas_limit: self.gas_limit(),
            to: TxKind::Call(self.to),
            value: U256::from(1),
            input: self.data,
        }
    }

    /// Type 2 (EIP-1559).
    fn dynamic_fee(self) -> TxEip1559 {
        TxEip1559 {
            chain_id: self.evm_chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit(),
            max_fee_per_gas: 2 * GAS_PRICE_WEI,
            max_priority_fee_per_gas: GAS_PRICE_WEI,
            to: TxKind::Call(self.to),
            value: U256::from(1),
            access_list: Default::default(),
            input: self.data,
        }
    }

    /// Type 4 (EIP-7702): the account delegates its own code, so the authorization's nonce is one higher.
    fn set_code(self, signer: &PrivateKeySigner) -> Result<TxEip7702, SignerError> {
        let authorization =
            Authorization { chain_id: U256::from(self.evm_chain_id), address: self.to, nonce: self.nonce + 1 };
        let signature = signer.sign_hash_sync(&authorization.signature_hash())?;
        Ok(TxEip7702 {
            chain_id: self.evm_chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit(),
            max_fee_per_gas: 2 * GAS_PRICE_WEI,
            max_priority_fee_per_gas: GAS_PRICE_WEI,
            to: self.to,
            value: U256::ZERO,
            access_list: Default::default(),
            authorization_list: vec![authorization.into_signed(signature)],
            input: self.data,
        })
    }
}

/// The hash and the encoding of a signed transaction.
fn sign<T>(transaction: T, signer: &PrivateKeySigner) -> Result<(B256, Bytes), SignerError>
where
    T: SignableTransaction<alloy::primitives::Signature>,
    alloy::consensus::TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = signer.sign_hash_sync(&transaction.signature_hash())?;
    let envelope = alloy::consensus::TxEnvelope::from(transaction.into_signed(signature));
    Ok((*envelope.tx_hash(), envelope.encoded_2718().into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use alloy::{
        consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable},
        eips::eip2718::Decodable2718,
        primitives::keccak256,
    };
    use std::collections::BTreeSet;

    #[test]
    fn every_type_reaches_every_lane_and_recovers_to_its_sender() {
        let targets = [(1, 9001), (2, 9002), (7, 9007)]
            .map(|(id, evm_chain_id)| LaneTarget { namespace: Namespace(id), evm_chain_id });
        let mut workload = Workload::new(&targets, 50).unwrap();
        let mut seen = BTreeSet::new();
        for _ in 0..18 {
            let signed = workload.make().unwrap().unwrap();
            let envelope = TxEnvelope::decode_2718_exact(&signed.raw).unwrap();
            assert_eq!(signed.hash, keccak256(&signed.raw));
            assert_eq!(envelope.input().len(), 50);
            let target = targets.iter().find(|target| target.namespace == signed.namespace).unwrap();
            assert_eq!(envelope.chain_id(), Some(target.evm_chain_id));
            envelope.recover_signer().unwrap();
            seen.insert((signed.namespace, envelope.tx_type() as u8));
        }
        let expected = [1, 2, 7].iter().flat_map(|id| [0, 2, 4].map(|kind| (Namespace(*id), kind)));
        assert_eq!(seen, expected.collect());
    }

    #[test]
    fn no_two_transactions_are_the_same() {
        let target = LaneTarget { namespace: Namespace(1), evm_chain_id: 1 };
        let mut workload = Workload::new(&[target], 0).unwrap();
        let hashes: BTreeSet<B256> = (0..1000).map(|_| workload.make().unwrap().unwrap().hash).collect();
        assert_eq!(hashes.len(), 1000);
    }

    #[test]
    fn without_a_lane_there_is_nothing_to_make() {
        assert!(Workload::new(&[], 0).unwrap().make().unwrap().is_none());
    }
}
