//! The embedded chain: mainnet's limits, geth's words, and the methods that clients need.

use crate::support::{L1, L1_CHAIN_ID};
use alloy::{
    consensus::{
        EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip4844WithSidecar, TxEip7702,
        TxEnvelope, TxLegacy,
    },
    eips::{
        BlockNumberOrTag, Encodable2718,
        eip4844::{Blob, Bytes48},
        eip7594::BlobTransactionSidecarEip7594,
        eip7702::Authorization,
    },
    network::{EthereumWallet, TransactionBuilder, TxSignerSync},
    primitives::{Address, B256, Bytes, TxKind, U256, address},
    providers::{Provider, ProviderBuilder},
    rpc::types::{Filter, TransactionRequest},
    signers::SignerSync,
    transports::http::reqwest,
};
use serde_json::{Value, json};
use sinter_settlement::dev_l1::{
    self, BLOCK_GAS_LIMIT, DEV_BALANCE_WEI, DevL1, DevL1Config, DevL1Error, Mining, TRANSACTION_BYTES_MAX,
    TRANSACTION_GAS_MAX, dev_signer,
};
use std::time::Duration;

const SINK: Address = address!("00000000000000000000000000000000000000aa");
const GWEI: u128 = 1_000_000_000;

async fn chain() -> DevL1 {
    dev_l1::spawn(DevL1Config { mining: Mining::Manual, ..DevL1Config::default() }).await.unwrap()
}

/// One JSON-RPC exchange, whatever the body.
async fn exchange(chain: &DevL1, body: &str) -> Value {
    let answer = reqwest::Client::new()
        .post(chain.url())
        .header("content-type", "application/json")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

async fn call(chain: &DevL1, method: &str, params: Value) -> Result<Value, (i64, String)> {
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string();
    let answer = exchange(chain, &body).await;
    assert_eq!((&answer["id"], &answer["jsonrpc"]), (&json!(7), &json!("2.0")));
    match answer.get("error") {
        Some(error) => Err((error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())),
        None => Ok(answer["result"].clone()),
    }
}

fn transfer(nonce: u64) -> TxEip1559 {
    TxEip1559 {
        chain_id: L1_CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: TxKind::Call(SINK),
        value: U256::from(1),
        access_list: Default::default(),
        input: Bytes::new(),
    }
}

fn sign<T>(mut transaction: T, account: usize) -> TxEnvelope
where
    T: SignableTransaction<alloy::primitives::Signature>,
    TxEnvelope: From<alloy::consensus::Signed<T>>,
{
    let signature = dev_signer(account).sign_transaction_sync(&mut transaction).unwrap();
    transaction.into_signed(signature).into()
}

async fn submit(chain: &DevL1, transaction: &TxEnvelope) -> Result<Value, (i64, String)> {
    call(chain, "eth_sendRawTransaction", json!([Bytes::from(transaction.encoded_2718())])).await
}

/// Submitting is refused with exactly these words, under geth's code.
async fn assert_refused(chain: &DevL1, transaction: &TxEnvelope, words: &str) {
    let (code, message) = submit(chain, transaction).await.unwrap_err();
    assert_eq!(code, -32000);
    assert!(message.starts_with(words), "expected {words:?}, got {message:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mainnets_limits_hold() {
    let chain = chain().await;
    let too_long = TxEip1559 { input: vec![0; TRANSACTION_BYTES_MAX].into(), gas_limit: 2_000_000, ..transfer(0) };
    assert_refused(&chain, &sign(too_long, 0), "oversized data: transaction size").await;
    let too_much_gas = TxEip1559 { gas_limit: TRANSACTION_GAS_MAX + 1, ..transfer(0) };
    assert_refused(&chain, &sign(too_much_gas, 0), "transaction gas limit too high (cap: 16777216, tx: 16777217)")
        .await;
    let too_little_gas = TxEip1559 { gas_limit: 20_999, ..transfer(0) };
    assert_refused(&chain, &sign(too_little_gas, 0), "intrinsic gas too low: gas 20999, minimum needed 21000").await;
    // 1000 non-zero bytes: 16 gas each to execute, 40 at the floor of EIP-7623.
    let data = TxEip1559 { input: vec![1; 1000].into(), gas_limit: 60_999, ..transfer(0) };
    assert_refused(
        &chain,
        &sign(data.clone(), 0),
        "insufficient gas for floor data gas cost: gas 60999, minimum needed 61000",
    )
    .await;
    let create = TxEip1559 { to: TxKind::Create, input: vec![0; 49_153].into(), gas_limit: 5_000_000, ..transfer(0) };
    assert_refused(&chain, &sign(create, 0), "max initcode size exceeded: code size 49153 limit 49152").await;

    let floor = sign(TxEip1559 { gas_limit: 61_000, ..data }, 0);
    submit(&chain, &floor).await.unwrap();
    // PUSH2 24577 PUSH0 RETURN: one byte more than EIP-170 allows. 24576 are fine.
    let oversized = |size: u16| -> Bytes { [&[0x61][..], &size.to_be_bytes(), &[0x5f, 0xf3]].concat().into() };
    for (nonce, size) in [(1, 24_577), (2, 24_576)] {
        let create = TxEip1559 {
            to: TxKind::Create,
            value: U256::ZERO,
            input: oversized(size),
            gas_limit: 6_000_000,
            ..transfer(nonce)
        };
        submit(&chain, &sign(create, 0)).await.unwrap();
    }
    chain.mine();
    let receipt = call(&chain, "eth_getTransactionReceipt", json!([floor.tx_hash()])).await.unwrap();
    assert_eq!(receipt["gasUsed"], json!("0xee48"), "the floor, 61,000");
    let receipts = call(&chain, "eth_getBlockReceipts", json!(["latest"])).await.unwrap();
    let statuses: Vec<&Value> = receipts.as_array().unwrap().iter().map(|receipt| &receipt["status"]).collect();
    assert_eq!(statuses, ["0x1", "0x0", "0x1"]);
    assert_eq!(receipts[1]["contractAddress"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_geths() {
    let chain = chain().await;
    assert_refused(
        &chain,
        &sign(TxEip1559 { chain_id: 1, ..transfer(0) }, 0),
        "invalid chain id for signer: have 1 want 1337",
    )
    .await;
    let unprotected = TxLegacy {
        chain_id: None,
        gas_price: 10 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(SINK),
        ..Default::default()
    };
    assert_refused(&chain, &sign(unprotected, 0), "only replay-protected (EIP-155) transactions allowed over RPC")
        .await;
    let tip = TxEip1559 { max_priority_fee_per_gas: 11 * GWEI, ..transfer(0) };
    assert_refused(&chain, &sign(tip, 0), "max priority fee per gas higher than max fee per gas").await;
    let rich = TxEip1559 { value: U256::from(DEV_BALANCE_WEI), ..transfer(0) };
    assert_refused(&chain, &sign(rich, 0), "insufficient funds for gas * price + value").await;

    let first = sign(transfer(0), 0);
    submit(&chain, &first).await.unwrap();
    assert_refused(&chain, &first, "already known").await;
    let cheap = TxEip1559 { max_fee_per_gas: 10 * GWEI + GWEI / 2, max_priority_fee_per_gas: 2 * GWEI, ..transfer(0) };
    assert_refused(&chain, &sign(cheap, 0), "replacement transaction underpriced").await;
    let better =
        sign(TxEip1559 { max_fee_per_gas: 11 * GWEI, max_priority_fee_per_gas: 1_100_000_000, ..transfer(0) }, 0);
    submit(&chain, &better).await.unwrap();
    assert_refused(&chain, &sign(transfer(64), 0), "nonce too high: next nonce 0, tx nonce 64").await;
    chain.mine();
    assert_refused(&chain, &first, "nonce too low: next nonce 1, tx nonce 0").await;
    let replaced = call(&chain, "eth_getTransactionByHash", json!([first.tx_hash()])).await.unwrap();
    assert_eq!(replaced, Value::Null);
    let included = call(&chain, "eth_getTransactionByHash", json!([better.tx_hash()])).await.unwrap();
    assert_eq!(included["blockNumber"], json!("0x1"));

    let (code, message) = call(&chain, "eth_sendRawTransaction", json!(["0x02c0"])).await.unwrap_err();
    assert!(code == -32000 && message.starts_with("rlp: "), "{code} {message}");
    assert_eq!(call(&chain, "eth_nonsense", json!([])).await.unwrap_err().0, -32601);
    assert_eq!(call(&chain, "eth_getBalance", json!(["0x12"])).await.unwrap_err().0, -32602);
    assert_eq!(call(&chain, "eth_getBalance", json!([])).await.unwrap_err().0, -32602);
    assert_eq!(call(&chain, "eth_getBalance", json!({})).await.unwrap_err().0, -32602);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_states_of_the_last_128_blocks_are_known() {
    let chain = chain().await;
    let balance = async |block: &str| call(&chain, "eth_getBalance", json!([SINK, block])).await;
    let nonce = async |block: &str| {
        call(&chain, "eth_getTransactionCount", json!([dev_signer(0).address(), block])).await.unwrap()
    };
    for number in 0..3 {
        submit(&chain, &sign(TxEip1559 { value: U256::from(5), ..transfer(number) }, 0)).await.unwrap();
        chain.mine();
    }
    assert_eq!(balance("0x0").await.unwrap(), json!("0x0"));
    assert_eq!(balance("0x1").await.unwrap(), json!("0x5"));
    assert_eq!((balance("finalized").await.unwrap(), nonce("finalized").await), (json!("0x5"), json!("0x1")));
    assert_eq!((balance("safe").await.unwrap(), nonce("safe").await), (json!("0xa"), json!("0x2")));
    assert_eq!((balance("latest").await.unwrap(), nonce("latest").await), (json!("0xf"), json!("0x3")));
    assert_eq!(balance("0x4").await.unwrap_err().1, "header not found");
    for _ in 3..128 {
        chain.mine();
    }
    assert_eq!(balance("0x1").await.unwrap(), json!("0x5"));
    assert_eq!(balance("0x0").await.unwrap_err().1, "historical state of block 0 is not available");
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_and_broken_requests_get_answers() {
    let chain = chain().await;
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"eth_chainId"},{"jsonrpc":"2.0","method":"eth_chainId"},
        {"jsonrpc":"2.0","id":"a","method":"net_version","params":[]},7]"#;
    let answer = exchange(&chain, batch).await;
    let results: Vec<&Value> = answer.as_array().unwrap().iter().collect();
    assert_eq!(results.len(), 3, "a notification is not answered");
    assert_eq!((&results[0]["id"], &results[0]["result"]), (&json!(1), &json!("0x539")));
    assert_eq!((&results[1]["id"], &results[1]["result"]), (&json!("a"), &json!("1337")));
    assert_eq!(results[2]["error"]["code"], json!(-32600));
    assert_eq!(exchange(&chain, "{").await["error"]["code"], json!(-32700));
    assert_eq!(exchange(&chain, "[]").await["error"]["code"], json!(-32600));
    let flood = format!("[{}]", vec![r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#; 1001].join(","));
    assert_eq!(exchange(&chain, &flood).await["error"]["message"], json!("batch too large: limit 1000, got 1001"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_type_is_taken() {
    let chain = chain().await;
    let legacy = TxLegacy {
        chain_id: Some(L1_CHAIN_ID),
        gas_price: 10 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(SINK),
        ..Default::default()
    };
    let access = TxEip2930 {
        chain_id: L1_CHAIN_ID,
        nonce: 1,
        gas_price: 10 * GWEI,
        gas_limit: 21_000,
        to: TxKind::Call(SINK),
        ..Default::default()
    };
    let authorization = Authorization { chain_id: U256::from(L1_CHAIN_ID), address: SINK, nonce: 0 };
    let signature = dev_signer(5).sign_hash_sync(&authorization.signature_hash()).unwrap();
    let delegate = TxEip7702 {
        chain_id: L1_CHAIN_ID,
        nonce: 3,
        gas_limit: 100_000,
        max_fee_per_gas: 10 * GWEI,
        max_priority_fee_per_gas: GWEI,
        to: SINK,
        authorization_list: vec![authorization.into_signed(signature)],
        ..Default::default()
    };
    for transaction in [sign(legacy, 0), sign(access, 0), sign(transfer(2), 0), sign(delegate, 0)] {
        submit(&chain, &transaction).await.unwrap();
    }
    let pending = call(&chain, "eth_getTransactionCount", json!([dev_signer(0).address(), "pending"])).await.unwrap();
    assert_eq!(pending, json!("0x4"));
    chain.mine();
    let block = call(&chain, "eth_getBlockByNumber", json!(["latest", true])).await.unwrap();
    let kinds: Vec<&Value> = block["transactions"].as_array().unwrap().iter().map(|tx| &tx["type"]).collect();
    assert_eq!(kinds, ["0x0", "0x1", "0x2", "0x4"]);
    let receipts = call(&chain, "eth_getBlockReceipts", json!(["latest"])).await.unwrap();
    assert!(receipts.as_array().unwrap().iter().all(|receipt| receipt["status"] == json!("0x1")), "{receipts}");
    // EIP-7702: the account's code now points to the delegate.
    let code = call(&chain, "eth_getCode", json!([dev_signer(5).address(), "latest"])).await.unwrap();
    assert_eq!(code, json!(format!("0xef0100{}", hex::encode(SINK))));
}

/// A blob transaction as the network carries it, with one blob and its cell proofs.
fn blob_transaction(nonce: u64, blob: [u8; 131_072], tamper: bool) -> Bytes {
    let settings = c_kzg::ethereum_kzg_settings(0);
    let kzg_blob = c_kzg::Blob::new(blob);
    let commitment = settings.blob_to_kzg_commitment(&kzg_blob).unwrap().to_bytes();
    let (_, proofs) = settings.compute_cells_and_kzg_proofs(&kzg_blob).unwrap();
    let mut proofs: Vec<Bytes48> = proofs.iter().map(|proof| Bytes48::from(proof.to_bytes().into_inner())).collect();
    if tamper {
        proofs.swap(0, 1);
    }
    let sidecar =
        BlobTransactionSidecarEip7594::new(vec![Blob::from(blob)], vec![commitment.into_inner().into()], proofs);
    let mut transaction = TxEip4844WithSidecar {
        tx: TxEip4844 {
            chain_id: L1_CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 10 * GWEI,
            max_priority_fee_per_gas: GWEI,
            max_fee_per_blob_gas: GWEI,
            to: SINK,
            blob_versioned_hashes: sidecar.versioned_hashes().collect(),
            ..Default::default()
        },
        sidecar,
    };
    let signature = dev_signer(0).sign_transaction_sync(&mut transaction).unwrap();
    let signed = EthereumTxEnvelope::Eip4844(transaction.into_signed(signature));
    signed.encoded_2718().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_are_checked_and_counted() {
    let chain = chain().await;
    let mut blob = [0; 131_072];
    blob[31] = 7;
    let (_, words) =
        call(&chain, "eth_sendRawTransaction", json!([blob_transaction(0, blob, true)])).await.unwrap_err();
    assert_eq!(words, "rlp: invalid blob sidecar: blob 0: the cell proofs do not verify");
    let hash = call(&chain, "eth_sendRawTransaction", json!([blob_transaction(0, blob, false)])).await.unwrap();
    chain.mine();
    let receipt = call(&chain, "eth_getTransactionReceipt", json!([hash])).await.unwrap();
    assert_eq!((&receipt["type"], &receipt["status"]), (&json!("0x3"), &json!("0x1")));
    assert_eq!((&receipt["blobGasUsed"], &receipt["blobGasPrice"]), (&json!("0x20000"), &json!("0x1")));
    let block = call(&chain, "eth_getBlockByNumber", json!(["latest", false])).await.unwrap();
    assert_eq!((&block["blobGasUsed"], &block["excessBlobGas"]), (&json!("0x20000"), &json!("0x0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unchanged_client_is_served() {
    let chain = dev_l1::spawn(DevL1Config { mining: Mining::Instant, ..DevL1Config::default() }).await.unwrap();
    let wallet = EthereumWallet::from(dev_signer(3));
    let provider = ProviderBuilder::new().wallet(wallet).connect_http(chain.url().parse().unwrap());
    assert_eq!(provider.get_chain_id().await.unwrap(), 1337);
    assert!(provider.get_client_version().await.unwrap().starts_with("sinter-dev-l1/"));
    assert_eq!(provider.get_balance(dev_signer(3).address()).await.unwrap(), U256::from(DEV_BALANCE_WEI));
    // The client fills in nonce, gas and fees by itself: chainId, estimateGas, feeHistory, getTransactionCount.
    let request = TransactionRequest::default().with_to(SINK).with_value(U256::from(5));
    let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status() && receipt.gas_used == 21_000);
    assert_eq!(provider.get_balance(SINK).await.unwrap(), U256::from(5));

    // A contract that logs its call data and reverts when there is none.
    // CALLDATASIZE PUSH1 7 JUMPI PUSH0 PUSH0 REVERT JUMPDEST PUSH1 7 CALLDATASIZE PUSH0 PUSH0 CALLDATACOPY
    // CALLDATASIZE PUSH0 LOG1 STOP
    let code = hex::decode("366007575f5ffd5b6007365f5f37365fa100").unwrap();
    let creation = [&[0x60, code.len() as u8, 0x80, 0x60, 0x09, 0x5f, 0x39, 0x5f, 0xf3][..], &code].concat();
    let request = TransactionRequest::default().with_deploy_code(creation);
    let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    let contract = receipt.contract_address.unwrap();
    assert_eq!(provider.get_code_at(contract).await.unwrap(), Bytes::from(code));
    let logging = TransactionRequest::default().with_to(contract).with_input(vec![0xab; 3]);
    let receipt = provider.send_transaction(logging).await.unwrap().get_receipt().await.unwrap();
    assert_eq!(receipt.logs().len(), 1);
    let topic = B256::from(U256::from(7));
    let filter = Filter::new().address(contract).event_signature(topic).from_block(0);
    let logs = provider.get_logs(&filter).await.unwrap();
    assert_eq!(
        (logs.len(), logs[0].data().data.as_ref(), logs[0].transaction_hash),
        (1, &[0xab; 3][..], Some(receipt.transaction_hash))
    );
    let others = Filter::new().address(contract).event_signature(B256::ZERO).from_block(0);
    assert!(provider.get_logs(&others).await.unwrap().is_empty());
    let error = provider.call(TransactionRequest::default().with_to(contract)).await.unwrap_err();
    assert_eq!(error.as_error_resp().unwrap().code, 3);
    assert_eq!(error.as_error_resp().unwrap().message, "execution reverted");
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_follow_the_gas_that_blocks_use() {
    let chain = chain().await;
    let l1 = L1::beside(&chain, 0);
    let base_fee = |tag| {
        let provider = &l1.provider;
        async move { provider.get_block_by_number(tag).await.unwrap().unwrap().header.base_fee_per_gas.unwrap() }
    };
    let genesis = base_fee(BlockNumberOrTag::Latest).await;
    chain.mine();
    let after_empty = base_fee(BlockNumberOrTag::Latest).await;
    assert_eq!(after_empty, genesis - genesis / 8, "an empty block: an eighth less");
    // Three transactions that loop until their gas is gone: JUMPDEST PUSH0 JUMP.
    for nonce in 0..3 {
        let burn = TxEip1559 {
            to: TxKind::Create,
            value: U256::ZERO,
            input: Bytes::from_static(&[0x5b, 0x5f, 0x56]),
            gas_limit: TRANSACTION_GAS_MAX,
            ..transfer(nonce)
        };
        submit(&chain, &sign(burn, 0)).await.unwrap();
    }
    chain.mine();
    chain.mine();
    let full = l1.provider.get_block_by_number(2.into()).await.unwrap().unwrap();
    assert_eq!(full.header.gas_used, 3 * TRANSACTION_GAS_MAX);
    assert!(full.header.gas_used > BLOCK_GAS_LIMIT / 2);
    assert!(base_fee(BlockNumberOrTag::Latest).await > base_fee(2.into()).await);
    let history = l1.provider.get_fee_history(3, BlockNumberOrTag::Latest, &[50.0]).await.unwrap();
    assert_eq!((history.oldest_block, history.base_fee_per_gas.len(), history.gas_used_ratio.len()), (1, 4, 3));
    assert_eq!(history.reward.unwrap(), [[0], [GWEI], [0]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_bounded_and_tags_trail_the_head() {
    let config = DevL1Config { mining: Mining::Manual, blocks_max: 4, ..DevL1Config::default() };
    let chain = dev_l1::spawn(config).await.unwrap();
    let genesis = chain.genesis_hash();
    for _ in 0..10 {
        chain.mine();
    }
    let number = |tag: &str| {
        let (tag, chain) = (json!([tag, false]), &chain);
        async move { call(chain, "eth_getBlockByNumber", tag).await.unwrap()["number"].clone() }
    };
    assert_eq!(number("latest").await, json!("0xa"));
    assert_eq!(number("safe").await, json!("0x9"));
    assert_eq!(number("finalized").await, json!("0x8"));
    assert_eq!(number("0x7").await, json!("0x7"));
    assert_eq!(number("0x6").await, Value::Null);
    assert_eq!(call(&chain, "eth_getBlockByHash", json!([genesis, false])).await.unwrap(), Value::Null);
    assert_eq!(chain.rollback(100, false), 3, "the oldest known block stays");
    chain.mine();
    assert_eq!(number("latest").await, json!("0x8"));
}

#[tokio::test(flavor = "multi_thread")]
async fn blocks_come_at_intervals_and_stop() {
    let config = DevL1Config { mining: Mining::Every(Duration::from_millis(20)), ..DevL1Config::default() };
    let chain = dev_l1::spawn(config).await.unwrap();
    let l1 = L1::beside(&chain, 0);
    while chain.block_number() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let times = [1, 2, 3].map(|number: u64| l1.provider.get_block_by_number(number.into()));
    let times: Vec<u64> =
        futures_of(times).await.into_iter().map(|block| block.unwrap().unwrap().header.timestamp).collect();
    assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    let address = chain.address();
    chain.shutdown().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    let everywhere = DevL1Config { listen: ([0, 0, 0, 0], 0).into(), ..DevL1Config::default() };
    assert!(matches!(dev_l1::spawn(everywhere).await, Err(DevL1Error::NotLoopback { .. })));
}

async fn futures_of<F: IntoFuture>(all: [F; 3]) -> Vec<F::Output> {
    let mut outputs = Vec::new();
    for one in all {
        outputs.push(one.await);
    }
    outputs
}
