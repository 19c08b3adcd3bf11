//! `sinter namespace`: a rollup opens its namespace on L1, prepays for it, and sees what it has; `sinter credit`: whoever earned fees, or
//! took back what was prepaid, is paid.

use crate::{
    chain, client,
    exit::{Exit, Failure, OrFail, print_result},
    l1::{connect_to, parse_ether_amount, send},
    relayer::read_key,
};
use alloy::{
    primitives::{Address, U256},
    providers::DynProvider,
    rpc::types::TransactionReceipt,
    sol_types::SolCall,
};
use clap::{Args, Subcommand};
use commonware_codec::{Copying, DecodeExt as _};
use serde_json::json;
use sinter_primitives::{Chain, Digest, Header, Ledger, Namespace, chain::Ordering, fees::credit_of};
use sinter_sequencer::rpc::SinterApiClient as _;
use sinter_settlement::{
    light_client,
    namespaces::{self, contract::Namespaces as Calls},
    registry::ether,
};
use std::path::PathBuf;

/// `sinter namespace`.
#[derive(Debug, Subcommand)]
pub enum NamespaceCommand {
    /// Open a namespace and prepay for it
    Open(OpenArguments),
    /// Pay for a namespace, anybody's
    TopUp(TopUpArguments),
    /// Set what a namespace may have in a block and spend in an epoch
    Limit(LimitArguments),
    /// Take back what is prepaid: it becomes the namespace's credit, which its owner is paid
    Withdraw(WithdrawArguments),
    /// Have a namespace's lane ordered in another way, or by another auction key
    Reorder(ReorderArguments),
    /// Give a namespace to somebody else
    Transfer(TransferArguments),
    /// What a namespace has and may, and what ordering costs now
    Show(ShowArguments),
}

/// `sinter credit`.
#[derive(Debug, Subcommand)]
pub enum CreditCommand {
    /// What an address has earned, or was withdrawn from a namespace, and what was paid of it
    Show(CreditArguments),
    /// Be paid what was not paid yet
    Claim(ClaimArguments),
}

/// Where the contract is.
#[derive(Debug, Args)]
pub struct ContractArguments {
    /// The network's chain.toml, with `[fees]`
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
}

/// Where the contract is, and who pays.
#[derive(Debug, Args)]
pub struct PayerArguments {
    /// Where the contract is.
    #[command(flatten)]
    pub contract: ContractArguments,
    /// File with the private key of the L1 account that pays, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
}

/// What a namespace may have.
#[derive(Clone, Copy, Debug, Args)]
pub struct Limits {
    /// Most metered bytes in a block: payloads, and 64 bytes for each transaction
    #[arg(long, value_name = "BYTES", default_value_t = u32::MAX)]
    pub block_bytes_max: u32,
    /// Most that it spends in an epoch, in ether; without it, all that it has
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub epoch_max: Option<U256>,
}

impl Limits {
    /// The least of what it spends and of all that there is.
    pub fn epoch_wei_max(&self) -> u128 {
        self.epoch_max.map_or(u128::MAX, |wei| wei.saturating_to())
    }
}

/// `sinter namespace open`.
#[derive(Debug, Args)]
pub struct OpenArguments {
    /// Who pays, and owns it.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// What is prepaid, in ether, beside the opening fee
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub prepay: U256,
    /// The ed25519 key, 64 hex digits, whose signed bundle opens the lane; without it, first come, first ordered
    #[arg(long, value_name = "HEX")]
    pub auction_key: Option<String>,
    /// Its EIP-155 chain id, where it speaks Ethereum
    #[arg(long, value_name = "ID")]
    pub evm_chain_id: Option<u64>,
    /// What it may have.
    #[command(flatten)]
    pub limits: Limits,
}

/// `sinter namespace top-up`.
#[derive(Debug, Args)]
pub struct TopUpArguments {
    /// Who pays.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// Which namespace
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// How much, in ether
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub amount: U256,
}

/// `sinter namespace limit`.
#[derive(Debug, Args)]
pub struct LimitArguments {
    /// The owner.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// Which namespace
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// What it may have.
    #[command(flatten)]
    pub limits: Limits,
}

/// `sinter namespace withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArguments {
    /// The owner.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// Which namespace
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// How much at most, in ether; without it, all
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub amount: Option<U256>,
}

/// `sinter namespace reorder`.
#[derive(Debug, Args)]
pub struct ReorderArguments {
    /// The owner.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// Which namespace
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// The ed25519 key, 64 hex digits, whose signed bundle opens the lane; without it, first come, first ordered
    #[arg(long, value_name = "HEX")]
    pub auction_key: Option<String>,
}

/// `sinter namespace transfer`.
#[derive(Debug, Args)]
pub struct TransferArguments {
    /// The owner.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// Which namespace
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// Whose it is from then on
    #[arg(long, value_name = "ADDRESS")]
    pub to: Address,
}

/// `sinter namespace show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// A member's RPC
    #[arg(long, value_name = "URL")]
    pub rpc: String,
    /// Which namespace
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
}

/// Whose credit, and who knows of it.
#[derive(Debug, Args)]
pub struct CreditArguments {
    /// Where the contract is.
    #[command(flatten)]
    pub contract: ContractArguments,
    /// A member's RPC
    #[arg(long, value_name = "URL")]
    pub rpc: String,
    /// Whose credit.
    #[command(flatten)]
    pub holder: Holder,
}

/// Whose credit: an address's, or a namespace's.
#[derive(Clone, Copy, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct Holder {
    /// What an address has earned: a node's `fee_recipient`
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<Address>,
    /// What was withdrawn from a namespace, which is its owner's
    #[arg(long, value_name = "ID")]
    pub namespace: Option<u64>,
}

impl Holder {
    /// The address that the ledger has it under.
    fn account(&self) -> Address {
        let of_namespace = self.namespace.map(|namespace| Address::from(credit_of(Namespace(namespace))));
        self.address.or(of_namespace).unwrap_or_default()
    }
}

/// `sinter credit claim`.
#[derive(Debug, Args)]
pub struct ClaimArguments {
    /// Whose credit.
    #[command(flatten)]
    pub credit: CreditArguments,
    /// File with the private key of the L1 account that pays for the transaction, anybody's, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
}

/// Carries a command out.
///
/// # Errors
/// With [`Exit::Refused`] when the contract does not take it.
pub fn run(command: &NamespaceCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        match command {
            NamespaceCommand::Open(arguments) => open(arguments).await,
            NamespaceCommand::TopUp(arguments) => {
                let call = namespaces::topUpCall { namespace: arguments.namespace };
                act(&arguments.payer, "topping the namespace up", &call, arguments.amount).await
            }
            NamespaceCommand::Limit(arguments) => {
                let Limits { block_bytes_max, .. } = arguments.limits;
                let call = namespaces::limitCall {
                    namespace: arguments.namespace,
                    blockBytesMax: block_bytes_max,
                    epochWeiMax: arguments.limits.epoch_wei_max(),
                };
                act(&arguments.payer, "limiting the namespace", &call, U256::ZERO).await
            }
            NamespaceCommand::Withdraw(arguments) => {
                let amount = arguments.amount.map_or(u128::MAX, |wei| wei.saturating_to());
                let call = namespaces::withdrawCall { namespace: arguments.namespace, amount };
                act(&arguments.payer, "withdrawing from the namespace", &call, U256::ZERO).await
            }
            NamespaceCommand::Reorder(arguments) => {
                let ordering = ordering(arguments.auction_key.as_deref())?;
                let call = namespaces::reorder_call(Namespace(arguments.namespace), ordering);
                act(&arguments.payer, "reordering the namespace", &call, U256::ZERO).await
            }
            NamespaceCommand::Transfer(arguments) => {
                let call = namespaces::transferCall { namespace: arguments.namespace, to: arguments.to };
                act(&arguments.payer, "transferring the namespace", &call, U256::ZERO).await
            }
            NamespaceCommand::Show(arguments) => {
                let node = client::http(&arguments.rpc)?;
                let shown = node.namespace(Namespace(arguments.namespace)).await.or_fail(Exit::Failed, "--rpc")?;
                let text = serde_json::to_string_pretty(&shown).or_fail(Exit::Failed, "printing")?;
                print_result(text)
            }
        }
    })
}

/// Carries a command out.
///
/// # Errors
/// With [`Exit::Refused`] when there is nothing to claim.
pub fn run_credit(command: &CreditCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        let (credit, key_file) = match command {
            CreditCommand::Show(arguments) => (arguments, None),
            CreditCommand::Claim(arguments) => (&arguments.credit, Some(&arguments.key_file)),
        };
        let signer = key_file.map(|path| read_key(path)).transpose()?;
        let contract = Contract::open(&credit.contract, signer.as_ref()).await?;
        let shown = contract.shown(&credit.rpc).await?;
        let account = credit.holder.account();
        let wei = shown.ledger.credits().of(&account.0.0);
        let paid = contract.paid(account).await?;
        let due = U256::from(wei).saturating_sub(paid);
        let Some(signer) = signer else {
            let text = json!({
                "account": account, "epoch": shown.header.epoch, "height": shown.header.height, "credit_wei": wei.to_string(),
                "paid_wei": paid.to_string(), "due_wei": due.to_string(),
            });
            return print_result(text);
        };
        let call = namespaces::claim_call(account, &shown.header, shown.post, &shown.ledger).filter(|_| !due.is_zero());
        let call = call.ok_or_else(|| {
            let by = format!("by the end of epoch {}, the last that was posted on L1", shown.header.epoch);
            Failure::new(Exit::Refused, format!("{account}: expected a credit that was not paid {by}, got none"))
        })?;
        let receipt = contract.send(signer.address(), "claiming", &call, U256::ZERO).await?;
        print_result(json!({ "account": account, "paid_wei": due.to_string(), "transaction": receipt.transaction_hash }))
    })
}

/// Whether somebody has opened a namespace on L1.
///
/// # Errors
/// When the L1 does not answer, or has something else there.
pub async fn is_open(provider: &DynProvider, contract: Address, namespace: Namespace) -> Result<bool, Failure> {
    let owner = light_client::ask(provider, contract, &Calls::ownerOfCall { namespace: namespace.0 }).await;
    Ok(owner.or_fail(Exit::Failed, "asking who owns the namespace")? != Address::ZERO)
}

/// The contract of a chain with fees.
pub struct Contract {
    chain: Chain,
    provider: DynProvider,
    address: Address,
}

/// The ledger after the newest epoch whose end was posted on L1.
pub struct Shown {
    /// The epoch's last header.
    pub header: Header,
    /// The number of its post.
    pub post: u64,
    /// The ledger that it commits to.
    pub ledger: Ledger,
}

/// Where the contract of a chain with fees is.
fn address_of(chain: &Chain) -> Result<Address, Failure> {
    match (&chain.file.fees, &chain.file.l1.forced_inbox) {
        (Some(_), Some(inbox)) => Ok(inbox.address().into()),
        _ => {
            let message = "chain.toml: expected `[fees]`, got none: on this chain nobody opens a namespace on L1";
            Err(Failure::new(Exit::Usage, message))
        }
    }
}

impl Contract {
    /// The contract that a chain file names, of the L1 that it names.
    ///
    /// # Errors
    /// When the chain has no fees, or the L1 is another one.
    pub async fn open(
        arguments: &ContractArguments,
        signer: Option<&alloy::signers::local::PrivateKeySigner>,
    ) -> Result<Self, Failure> {
        let chain = chain::load(&arguments.chain)?;
        // Before any L1 is asked: a chain that has no contract has none on any L1.
        let address = address_of(&chain)?;
        let provider = connect_to(chain.file.l1.chain_id, &arguments.l1, signer).await?;
        Ok(Self { chain, provider, address })
    }

    /// The contract of a chain, through a client that may sign.
    ///
    /// # Errors
    /// When the chain has no fees.
    pub fn of(chain: Chain, provider: DynProvider) -> Result<Self, Failure> {
        let address = address_of(&chain)?;
        Ok(Self { chain, provider, address })
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The L1 that it is on.
    #[must_use]
    pub const fn provider(&self) -> &DynProvider {
        &self.provider
    }

    /// Checks that a namespace is this account's.
    ///
    /// # Errors
    /// With [`Exit::Refused`] when it is not.
    pub async fn require_owner(&self, namespace: Namespace, expected: Address) -> Result<(), Failure> {
        let owner =
            light_client::ask(&self.provider, self.address, &Calls::ownerOfCall { namespace: namespace.0 }).await;
        let got = owner.or_fail(Exit::Failed, "asking the contract")?;
        if got == expected {
            return Ok(());
        }
        Err(Failure::new(Exit::Refused, format!("namespace {namespace}: expected the owner {got}, got {expected}")))
    }

    /// Carries a call out, with ether. The contract is asked first.
    ///
    /// # Errors
    /// As [`send`].
    pub async fn send<C: SolCall>(
        &self,
        from: Address,
        what: &str,
        call: &C,
        value: U256,
    ) -> Result<TransactionReceipt, Failure> {
        let explain = |data: &[u8]| namespaces::refusal(data).map(|refusal| namespaces::explain(&refusal));
        send(&self.provider, (from, self.address), what, call, value, explain).await
    }

    /// What opening a namespace costs beside what is prepaid.
    ///
    /// # Errors
    /// When the L1 does not answer, or has something else there.
    pub async fn opening_fee(&self) -> Result<U256, Failure> {
        let fee = light_client::ask(&self.provider, self.address, &Calls::openingFeeCall {}).await;
        fee.or_fail(Exit::Failed, "asking the contract")
    }

    /// What was paid of a credit.
    ///
    /// # Errors
    /// As [`Contract::opening_fee`].
    pub async fn paid(&self, account: Address) -> Result<U256, Failure> {
        let paid = light_client::ask(&self.provider, self.address, &Calls::paidCall { account }).await;
        paid.or_fail(Exit::Failed, "asking the contract")
    }

    /// The ledger after the newest epoch whose end was posted on L1, from a member, who is not believed.
    ///
    /// # Errors
    /// When no epoch's end was posted, or the member has another ledger.
    pub async fn shown(&self, rpc: &str) -> Result<Shown, Failure> {
        let file = &self.chain.file;
        let light_client = file.l1.light_client.parse().or_fail(Exit::Usage, "chain.toml: `l1.light_client`")?;
        let posts = light_client::posts(&self.provider, light_client, file.l1.origin.number).await;
        let ends = posts.or_fail(Exit::Failed, "--l1")?.into_iter();
        let newest = ends.filter(|posted| file.parameters.is_last_of_epoch(posted.height)).max_by_key(|end| end.height);
        let newest = newest.ok_or_else(|| {
            let message = "expected the end of an epoch to be posted on L1, got none: the relayer posts them";
            Failure::new(Exit::Refused, message)
        })?;
        let epoch = file.parameters.epoch_of(newest.height);
        let node = client::http(rpc)?;
        let end = node.hand_overs(epoch).await.or_fail(Exit::Failed, "--rpc")?.into_iter().next();
        let header = end.map(|end| end.header);
        let digest = header.map_or(Digest([0; 32]), |header| header.digest());
        same(rpc, &format!("the end of epoch {epoch}"), newest.digest, digest)?;
        let header = header.ok_or_else(|| Failure::new(Exit::Failed, format!("{rpc}: epoch {epoch} is not over")))?;
        let encoded = node.epoch_ledger(epoch).await.or_fail(Exit::Failed, "--rpc")?.ledger;
        let ledger = Ledger::decode(Copying(encoded.as_ref())).or_fail(Exit::Failed, "--rpc: the ledger")?;
        same(rpc, &format!("the ledger after epoch {epoch}"), header.ledger_root, ledger.root())?;
        Ok(Shown { header, post: newest.post, ledger })
    }
}

fn same(rpc: &str, what: &str, expected: Digest, got: Digest) -> Result<(), Failure> {
    if expected == got {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, format!("{rpc}: {what}: expected 0x{expected}, got 0x{got}: ask another member")))
}

async fn open(arguments: &OpenArguments) -> Result<(), Failure> {
    let signer = read_key(&arguments.payer.key_file)?;
    let ordering = ordering(arguments.auction_key.as_deref())?;
    let contract = Contract::open(&arguments.payer.contract, Some(&signer)).await?;
    let fee = contract.opening_fee().await?;
    let Limits { block_bytes_max, .. } = arguments.limits;
    let epoch_wei_max = arguments.limits.epoch_wei_max();
    let call = namespaces::open_call(ordering, arguments.evm_chain_id, block_bytes_max, epoch_wei_max);
    let value = arguments.prepay.saturating_add(fee);
    let receipt = contract.send(signer.address(), "opening a namespace", &call, value).await?;
    let namespace = namespaces::opened_in(&receipt)
        .ok_or_else(|| Failure::new(Exit::Failed, "the contract took the call and says nothing of a namespace"))?;
    let (prepaid, fee) = (ether(arguments.prepay), ether(fee));
    eprintln!(
        "namespace {namespace} is open with {prepaid} prepaid, for {fee}: it can be used when the order has gone on to that L1 block"
    );
    print_result(json!({
        "namespace": namespace.0, "owner": signer.address(), "transaction": receipt.transaction_hash,
        "l1_block": receipt.block_number,
    }))
}

fn ordering(key: Option<&str>) -> Result<Ordering, Failure> {
    match key {
        None => Ok(Ordering::FirstCome),
        Some(text) => Ok(Ordering::Express { auction_key: auction_key("--auction-key", text)? }),
    }
}

/// An auction key, checked: nothing could ever be signed by one that is none, and no contract can tell.
pub fn auction_key(argument: &str, text: &str) -> Result<Digest, Failure> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let bytes = hex::decode(digits).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = bytes.filter(|bytes| commonware_cryptography::ed25519::PublicKey::decode(Copying(bytes)).is_ok());
    let message = || Failure::new(Exit::Usage, format!("{argument}: expected an ed25519 public key, got {text:?}"));
    key.map(Digest).ok_or_else(message)
}

async fn act<C: SolCall>(payer: &PayerArguments, what: &str, call: &C, value: U256) -> Result<(), Failure> {
    let signer = read_key(&payer.key_file)?;
    let contract = Contract::open(&payer.contract, Some(&signer)).await?;
    let receipt = contract.send(signer.address(), what, call, value).await?;
    print_result(json!({ "transaction": receipt.transaction_hash, "l1_block": receipt.block_number }))
}
