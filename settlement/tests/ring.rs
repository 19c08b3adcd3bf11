//! The ring of posted digests after a full lap, with the storage set up by hand: what a post costs in the
//! long run, and that old posts are forgotten when they must be.

use crate::support::{CHAIN_HASH, CHAIN_ID, Members, header};
use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256},
    sol_types::SolCall,
};
use commonware_codec::Encode;
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::{CfgEnv, TxEnv, result::ExecutionResult},
    database::{CacheDB, EmptyDB},
    primitives::hardfork::SpecId,
    state::AccountInfo,
};
use sinter_settlement::light_client::{self, Refusal, contract::FinalityLightClient as Contract};

const RING: u64 = 4096;
/// Storage slots of the contract: `_head`, two mappings, then the ring.
const HEAD_SLOT: u64 = 0;
const RING_SLOT: u64 = 3;
/// Who acts, with all the ether that there can be.
pub const ACCOUNT: Address = Address::repeat_byte(0x11);

/// An EVM whose storage can be set by hand.
pub struct Vm {
    db: CacheDB<EmptyDB>,
    nonce: u64,
}

impl Vm {
    pub fn new() -> Self {
        let mut db = CacheDB::new(EmptyDB::default());
        db.insert_account_info(ACCOUNT, AccountInfo::from_balance(U256::MAX >> 1));
        Self { db, nonce: 0 }
    }

    pub fn chain_id() -> u64 {
        CfgEnv::<SpecId>::default().chain_id
    }

    pub fn run(&mut self, kind: TxKind, data: Bytes) -> ExecutionResult {
        self.pay(kind, data, U256::ZERO)
    }

    pub fn pay(&mut self, kind: TxKind, data: Bytes, value: U256) -> ExecutionResult {
        let config = CfgEnv::new().with_spec_and_mainnet_gas_params(SpecId::OSAKA);
        let mut evm = Context::mainnet().with_db(&mut self.db).with_cfg(config).build_mainnet();
        let transaction =
            TxEnv { caller: ACCOUNT, kind, data, value, nonce: self.nonce, gas_limit: 16_000_000, ..TxEnv::default() };
        self.nonce += 1;
        evm.transact_commit(transaction).unwrap()
    }
}

#[test]
fn a_lap_later() {
    let members = Members::new(4, 1);
    let mut vm = Vm::new();
    let (digest, period) = (members.committee.digest(), light_client::TRUSTING_PERIOD_S);
    let creation = light_client::creation_code(&CHAIN_HASH, CHAIN_ID, &digest, period);
    let contract = light_client::predicted_address(ACCOUNT, 0);
    assert!(vm.run(TxKind::Create, creation).is_success());
    let call = TxKind::Call(contract);
    for page in light_client::register_calls(0, &members.committee).unwrap() {
        assert!(vm.run(call, page).is_success());
    }
    let post = |height| {
        let header = header(height, 0);
        light_client::post_call(&header, &members.certify(&header)).unwrap()
    };
    assert!(vm.run(call, post(1)).is_success());
    let second = vm.run(call, post(2)).tx_gas_used();

    // As if all of the ring had been written since, up to one short of the second lap's end.
    let head = U256::from(1000) | U256::from(1130) << 64 | U256::from(2 * RING - 1) << 128;
    vm.db.insert_account_storage(contract, U256::from(HEAD_SLOT), head).unwrap();
    for slot in 2..RING {
        vm.db.insert_account_storage(contract, U256::from(RING_SLOT + slot), U256::from(slot)).unwrap();
    }
    let digest = |vm: &mut Vm, index| {
        let result = vm.run(call, Contract::postedDigestCall { index }.abi_encode().into());
        match result {
            ExecutionResult::Success { output, .. } => Ok(B256::from_slice(output.data())),
            ExecutionResult::Revert { output, .. } => Err(light_client::refusal(&output).unwrap()),
            halt => panic!("{halt:?}"),
        }
    };
    let posts = 2 * RING - 1;
    let gone = |index, posts| Err(Refusal::NotPosted(Contract::NotPosted { index, posts }));
    assert_eq!(digest(&mut vm, posts - RING - 1), gone(posts - RING - 1, posts));
    assert_eq!(digest(&mut vm, RING + 5), Ok(B256::from(U256::from(5))));
    // The last slot of the lap, then the first of the next: both were written before.
    for (index, height) in [(posts, 1001), (posts + 1, 1002)] {
        let result = vm.run(call, post(height));
        assert!(result.is_success());
        println!("post in a warm ring: {} gas", result.tx_gas_used());
        // A used slot costs 17,100 less than a new one; a zero byte more or less in the calldata costs 12.
        let saved = second - result.tx_gas_used();
        assert!(saved.abs_diff(17_100) <= 10 * 12, "{saved}");
        assert_eq!(digest(&mut vm, index), Ok(B256::from_slice(&header(height, 0).digest())));
    }
    assert_eq!(digest(&mut vm, RING), gone(RING, 2 * RING + 1));
    // A posted header is found at its index and nowhere else.
    for (index, found) in [(posts, true), (posts - RING, false), (posts + RING, false)] {
        let certified = Contract::certifiedCall { header: header(1001, 0).encode().to_vec().into(), index };
        assert_eq!(vm.run(call, certified.abi_encode().into()).is_success(), found);
    }
}
