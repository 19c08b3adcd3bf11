//! Committees with their secrets, headers, certificates, and chains to try them on.

use alloy::{
    consensus::{SignableTransaction, TxEip1559},
    eips::{BlockNumberOrTag, Encodable2718},
    network::TxSignerSync,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{Provider, ProviderBuilder, RootProvider},
    rpc::types::{TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
};
use blst::min_sig::{AggregateSignature, SecretKey};
use commonware_codec::Encode;
use commonware_cryptography::{Signer as _, ed25519};
use sinter_primitives::{
    Certificate, Committee, Digest, Header,
    certificate::{MESSAGE_DST, Signers},
    committee::{Seat, UNDRAWN_STAKE_WEI, sign_proof_of_possession},
    header::{L1Origin, PROTOCOL_FIRST},
};
use sinter_settlement::{
    dev_l1::{self, DevL1, DevL1Config, Mining},
    light_client::{self, Refusal},
};
use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

/// Everybody's chain hash here.
pub const CHAIN_HASH: Digest = Digest([0x5a; 32]);
/// Everybody's chain id here.
pub const CHAIN_ID: u64 = 77;
/// The EIP-155 chain id of the L1s here.
pub const L1_CHAIN_ID: u64 = 1337;
/// A billion wei.
pub const GWEI: u128 = 1_000_000_000;
/// Enough gas for anything here, and under the cap.
const GAS: u64 = 16_000_000;
/// When a timed chain begins, and every header was made, in Unix seconds; every block is a second later than the one before.
const START: u64 = 4_000_000_000;

/// A committee with its secrets, in seat order.
pub struct Members {
    pub committee: Committee,
    pub secrets: Vec<SecretKey>,
}

impl Members {
    /// The same for the same arguments.
    pub fn new(n: usize, salt: u8) -> Self {
        let mut members: Vec<(Seat, SecretKey)> = (0..n)
            .map(|member| {
                let mut seed = [salt; 32];
                seed[0] = member as u8;
                let secret = SecretKey::key_gen(&seed, &[]).expect("the seed has 32 bytes");
                let node = ed25519::PrivateKey::from_seed(u64::from(salt) << 32 | member as u64);
                let seat = Seat {
                    node_key: node.public_key().encode().as_ref().try_into().expect("a key has 32 bytes"),
                    bls_key: secret.sk_to_pk().compress(),
                    proof_of_possession: sign_proof_of_possession(&secret.to_bytes()).expect("a generated key"),
                    address: format!("127.0.0.1:{}", 4000 + member),
                    stake_wei: UNDRAWN_STAKE_WEI,
                };
                (seat, secret)
            })
            .collect();
        members.sort_by_key(|(seat, _)| seat.node_key);
        let (seats, secrets) = members.into_iter().unzip();
        Self { committee: Committee::new(seats).expect("a sound committee"), secrets }
    }

    /// A certificate by the first quorum of seats.
    pub fn certify(&self, header: &Header) -> Certificate {
        self.certify_by(header, header.view, 0..self.committee.quorum() as usize)
    }

    /// A certificate by these seats, in this view.
    pub fn certify_by(&self, header: &Header, view: u64, signers: impl IntoIterator<Item = usize>) -> Certificate {
        let signers = Signers::new(self.secrets.len(), signers).expect("seats of this committee");
        let mut certificate = Certificate {
            epoch: header.epoch,
            view,
            parent_view: header.parent_view,
            payload: header.digest(),
            signers,
            signature: [0; 48],
        };
        let message = certificate.signed_message(&CHAIN_HASH);
        let signatures: Vec<_> =
            signers.iter().map(|seat| self.secrets[seat].sign(&message, MESSAGE_DST, &[])).collect();
        if !signatures.is_empty() {
            let aggregate = AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false).expect("some");
            certificate.signature = aggregate.to_signature().compress();
        }
        certificate
    }
}

/// A header of this height; `variant` makes it another block of the same height.
pub fn header(height: u64, variant: u8) -> Header {
    let digest = |tag: u8| Digest([tag ^ variant; 32]);
    Header {
        next_protocol: 0,
        protocol: PROTOCOL_FIRST,
        chain_id: CHAIN_ID,
        height,
        epoch: 0,
        view: height + 130,
        parent_view: height + 129,
        parent: digest(1),
        proposer_seat: 1,
        // Before anything was deployed: L1s whose clocks run at other speeds take the same way through the contract.
        timestamp_ms: 1_000 * (START - 86_400) + height % 1_000,
        l1_origin: L1Origin { number: 3, hash: digest(2) },
        inbox_cursor: 0,
        body_root: digest(3),
        namespaces_root: digest(4),
        ledger_root: digest(5),
        next_committee: Digest([0; 32]),
        randomness: Digest([0; 32]),
    }
}

/// A child of another header.
pub fn child(parent: &Header, variant: u8) -> Header {
    Header { parent: parent.digest(), ..header(parent.height + 1, variant) }
}

/// What became of a transaction.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub gas: u64,
    pub refusal: Option<Refusal>,
    pub status: bool,
    pub contract: Option<Address>,
}

/// An L1 behind its RPC, and an account on it that nobody else uses.
pub struct L1 {
    pub provider: RootProvider,
    pub url: String,
    signer: PrivateKeySigner,
    backend: Backend,
}

enum Backend {
    Embedded(DevL1),
    Anvil(Child),
    Elsewhere,
    /// A chain that the caller runs, which mines when told.
    Told(Arc<DevL1>),
}

impl Drop for Backend {
    fn drop(&mut self) {
        if let Self::Anvil(child) = self {
            child.kill().expect("anvil is ours");
            child.wait().expect("it was just killed");
        }
    }
}

impl L1 {
    /// The embedded chain, mining at once.
    pub async fn embedded() -> Self {
        let config = DevL1Config { mining: Mining::Instant, ..DevL1Config::default() };
        let chain = dev_l1::spawn(config).await.expect("loopback");
        let url = chain.url();
        Self::at(url, Backend::Embedded(chain))
    }

    /// The embedded chain with a clock of its own.
    pub async fn embedded_timed() -> Self {
        let config = DevL1Config { mining: Mining::Instant, genesis_timestamp: START, ..DevL1Config::default() };
        let chain = dev_l1::spawn(config).await.expect("loopback");
        Self::at(chain.url(), Backend::Embedded(chain))
    }

    /// anvil with the same clock.
    pub async fn anvil_timed() -> Option<Self> {
        let l1 = Self::anvil_with(&["--timestamp", &START.to_string()]).await?;
        l1.tell("anvil_setBlockTimestampInterval", 1).await;
        Some(l1)
    }

    async fn tell(&self, method: &'static str, argument: u64) {
        let done = self.provider.raw_request::<_, serde_json::Value>(method.into(), [argument]).await;
        done.unwrap_or_else(|error| panic!("{method}: {error}"));
    }

    /// Mines a block that is `seconds` later than the last one.
    pub async fn pass(&self, seconds: u64) {
        match &self.backend {
            Backend::Embedded(chain) => chain.mine_later(seconds),
            Backend::Anvil(_) => {
                self.tell("evm_setNextBlockTimestamp", self.now().await + seconds).await;
                self.provider.raw_request::<_, serde_json::Value>("evm_mine".into(), ()).await.expect("anvil mines");
            }
            Backend::Elsewhere | Backend::Told(_) => panic!("a chain that the caller runs"),
        }
    }

    /// The last block's time.
    pub async fn now(&self) -> u64 {
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await;
        block.expect("an L1 that answers").expect("there is a last block").header.timestamp
    }

    /// A chain that the caller runs; the account is the development account of this number.
    pub fn beside(chain: &DevL1, account: usize) -> Self {
        Self { signer: dev_l1::dev_signer(account), ..Self::at(chain.url(), Backend::Elsewhere) }
    }

    /// The same; a block is mined for each transaction that [`Self::transact`] sends.
    pub fn mining(chain: &Arc<DevL1>, account: usize) -> Self {
        Self { backend: Backend::Told(chain.clone()), ..Self::beside(chain, account) }
    }

    /// anvil, where it is installed. It must be in CI.
    pub async fn anvil() -> Option<Self> {
        Self::anvil_with(&[]).await
    }

    async fn anvil_with(arguments: &[&str]) -> Option<Self> {
        let Some(program) = find_anvil() else {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "CI installs anvil: cargo ci tools");
            eprintln!("skipped: anvil is not installed (cargo ci tools, or set ANVIL)");
            return None;
        };
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port();
        let child = Command::new(program)
            .args(["--host", "127.0.0.1", "--port", &port.to_string(), "--hardfork", "osaka"])
            .args([
                "--chain-id",
                &L1_CHAIN_ID.to_string(),
                "--enable-tx-gas-limit",
                "--gas-limit",
                "60000000",
                "--silent",
            ])
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        let l1 = Self::at(format!("http://127.0.0.1:{port}"), Backend::Anvil(child));
        let deadline = Instant::now() + Duration::from_secs(20);
        while l1.provider.get_chain_id().await.is_err() {
            assert!(Instant::now() < deadline, "anvil does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Some(l1)
    }

    fn at(url: String, backend: Backend) -> Self {
        let provider = ProviderBuilder::default().connect_http(url.parse().expect("a URL"));
        Self { provider, url, signer: dev_l1::dev_signer(0), backend }
    }

    pub fn account(&self) -> Address {
        self.signer.address()
    }

    /// Calls a contract for what it would refuse, and then sends the transaction.
    pub async fn execute(&self, to: TxKind, data: Bytes) -> Outcome {
        self.execute_mining(to, data, || ()).await
    }

    /// The same on a chain that mines when `mine` is called.
    pub async fn execute_mining(&self, to: TxKind, data: Bytes, mine: impl FnOnce()) -> Outcome {
        let request = TransactionRequest {
            from: Some(self.account()),
            to: Some(to),
            gas: Some(GAS),
            input: data.clone().into(),
            ..Default::default()
        };
        let refusal = match self.provider.call(request).await {
            Ok(_) => None,
            Err(error) => {
                let data = error.as_error_resp().and_then(|response| response.as_revert_data());
                Some(data.and_then(|data| light_client::refusal(&data)).unwrap_or_else(|| panic!("untyped: {error}")))
            }
        };
        let hash = self.send(to, data).await;
        mine();
        let receipt = self.receipt(hash).await;
        Outcome { gas: receipt.gas_used, refusal, status: receipt.status(), contract: receipt.contract_address }
    }

    async fn send(&self, to: TxKind, input: Bytes) -> B256 {
        self.send_as(&self.signer, to, input, U256::ZERO).await
    }

    /// What a call returns, or reverts with.
    pub async fn read(&self, from: Address, to: TxKind, data: Bytes, value: U256) -> Result<Bytes, Bytes> {
        let request = TransactionRequest {
            from: Some(from),
            to: Some(to),
            gas: Some(GAS),
            value: Some(value),
            input: data.into(),
            ..Default::default()
        };
        self.provider.call(request).await.map_err(|error| {
            let data = error.as_error_resp().and_then(|response| response.as_revert_data());
            data.unwrap_or_else(|| panic!("no revert data: {error}"))
        })
    }

    /// Sends a transaction from a development account and waits for its receipt.
    pub async fn transact(
        &self,
        signer: &PrivateKeySigner,
        to: TxKind,
        data: Bytes,
        value: U256,
    ) -> TransactionReceipt {
        let hash = self.send_as(signer, to, data, value).await;
        if let Backend::Told(chain) = &self.backend {
            chain.mine();
        }
        self.receipt(hash).await
    }

    async fn send_as(&self, signer: &PrivateKeySigner, to: TxKind, input: Bytes, value: U256) -> B256 {
        let nonce = self.provider.get_transaction_count(signer.address()).await.expect("an L1 that answers");
        self.submit_as(signer, nonce, 1_000_000_000, to, input, value).await
    }

    /// Sends a transaction that pays any base fee, and this tip.
    pub async fn submit(&self, nonce: u64, tip_wei: u128, to: TxKind, input: Bytes) -> B256 {
        self.submit_as(&self.signer, nonce, tip_wei, to, input, U256::ZERO).await
    }

    async fn submit_as(
        &self,
        signer: &PrivateKeySigner,
        nonce: u64,
        tip_wei: u128,
        to: TxKind,
        input: Bytes,
        value: U256,
    ) -> B256 {
        let mut transaction = TxEip1559 {
            chain_id: L1_CHAIN_ID,
            nonce,
            gas_limit: GAS,
            max_fee_per_gas: 500_000_000_000,
            max_priority_fee_per_gas: tip_wei,
            to,
            value,
            access_list: Default::default(),
            input,
        };
        let signature = signer.sign_transaction_sync(&mut transaction).expect("a local key");
        let raw = transaction.into_signed(signature).encoded_2718();
        *self.provider.send_raw_transaction(&raw).await.expect("a valid transaction").tx_hash()
    }

    async fn receipt(&self, hash: B256) -> TransactionReceipt {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(receipt) = self.provider.get_transaction_receipt(hash).await.expect("an L1 that answers") {
                return receipt;
            }
            assert!(Instant::now() < deadline, "{hash} was not mined");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Deploys a light client without its committee.
    pub async fn deploy(&self, committee_digest: &Digest) -> (Address, u64) {
        let period = light_client::TRUSTING_PERIOD_S;
        let creation = light_client::creation_code(&CHAIN_HASH, CHAIN_ID, committee_digest, period);
        let outcome = self.execute(TxKind::Create, creation).await;
        assert!(outcome.status);
        (outcome.contract.expect("a creation"), outcome.gas)
    }

    /// Deploys a light client with its committee; returns the gas of every page.
    pub async fn deploy_with(&self, committee: &Committee) -> (Address, Vec<u64>) {
        let (address, _) = self.deploy(&committee.digest()).await;
        let mut gas = Vec::new();
        for call in light_client::register_calls(0, committee).expect("sound proofs") {
            let outcome = self.execute(TxKind::Call(address), call).await;
            assert!(outcome.status, "{outcome:?}");
            gas.push(outcome.gas);
        }
        (address, gas)
    }
}

/// What the next block asks per gas.
pub async fn base_fee(chain: &DevL1) -> u128 {
    let history = L1::beside(chain, 0).provider.get_fee_history(1, BlockNumberOrTag::Latest, &[]).await;
    history.expect("an L1 that answers").next_block_base_fee().expect("there is a last block")
}

/// Makes blocks dearer until one asks this much, and lets nothing else into them: they are full of transactions that burn
/// gas, of development account 5. Something is done after each.
pub async fn burn(chain: &DevL1, base_fee_wei: u128, mut after_each: impl AsyncFnMut()) {
    let burner = L1::beside(chain, 5);
    // Its creation code is PUSH3 code, PUSH0, MSTORE, PUSH1 3, PUSH1 29, RETURN; its code JUMPDEST, PUSH0, JUMP.
    let creation = Bytes::from_static(&[0x62, 0x5b, 0x5f, 0x56, 0x5f, 0x52, 0x60, 3, 0x60, 29, 0xf3]);
    let nonce = burner.provider.get_transaction_count(burner.account()).await.expect("an L1 that answers");
    let to = TxKind::Call(burner.account().create(nonce));
    burner.submit(nonce, 100 * GWEI, TxKind::Create, creation).await;
    // Three fit a block. One more waits, and pays better than whatever else does.
    let mut next = nonce + 1;
    while base_fee(chain).await < base_fee_wei {
        let more = if next == nonce + 1 { 4 } else { 3 };
        for nonce in next..next + more {
            burner.submit(nonce, 100 * GWEI, to, Bytes::new()).await;
        }
        next += more;
        chain.mine();
        after_each().await;
    }
}

/// `ANVIL`, or what npm installed, or what is on the path.
fn find_anvil() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ANVIL") {
        return Some(path.into());
    }
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let installed = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join(format!("contracts/node_modules/@foundry-rs/anvil-linux-{arch}/bin/anvil"));
    if installed.exists() {
        return Some(installed);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).map(|folder| folder.join("anvil")).find(|path| path.exists())
}
