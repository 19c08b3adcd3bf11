//! `sinter auction`: sells the first place in a namespace's lane, term by term, and pays the namespace's revenue.

use crate::{
    exit::{Exit, Failure, OrFail, print_result},
    l1::{parse_ether_amount, send},
    namespace::{Contract, ContractArguments, Limits, PayerArguments, auction_key},
    relayer::read_key,
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use clap::{Args, Subcommand};
use serde_json::json;
use sinter_primitives::{Digest, Namespace};
use sinter_settlement::{
    express_auction::{self, Terms, contract::ExpressAuction as Calls},
    light_client, namespaces,
};

/// `ExpressAuction.TERM_SECONDS_MAX`.
const TERM_S_MAX: u64 = 366 * 86_400;

/// `sinter auction`.
#[derive(Debug, Subcommand)]
pub enum AuctionCommand {
    /// Put a namespace's first place up for sale: deploys the contract and transfers the namespace to it
    Open(OpenArguments),
    /// Bid for the next term
    Bid(BidArguments),
    /// Begin the term that runs: its winner's key signs what comes first from then on
    Begin(AtArguments),
    /// Give back the bid for a term that nobody began
    Lapse(LapseArguments),
    /// Pay a bidder what is his again
    Refund(RefundArguments),
    /// Pay the revenue to its address
    Collect(AtArguments),
    /// Set what the namespace may have in a block and spend in an epoch
    Limit(LimitArguments),
    /// Take back what the namespace has prepaid: it is revenue when it is claimed
    Withdraw(WithdrawArguments),
    /// Sell no term behind the next one
    Close(AtArguments),
    /// Give the namespace to somebody, once what was sold is over
    HandBack(HandBackArguments),
    /// The term that runs, what it was sold for, and the highest bid for the next
    Show(ShowArguments),
}

/// `sinter auction open`.
#[derive(Debug, Args)]
pub struct OpenArguments {
    /// The namespace's owner.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// Whose first place is sold
    #[arg(long, value_name = "ID")]
    pub namespace: u64,
    /// Who gets what is paid; without it, the owner
    #[arg(long, value_name = "ADDRESS")]
    pub revenue: Option<Address>,
    /// How long a term is, in seconds; the order sees its beginning a quarter of an hour late
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..=TERM_S_MAX))]
    pub term_s: u64,
    /// The least that is bid, in ether
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub bid_min: U256,
}

/// Which auction, and who pays for the call.
#[derive(Debug, Args)]
pub struct AtArguments {
    /// Who pays.
    #[command(flatten)]
    pub payer: PayerArguments,
    /// The auction's address
    #[arg(long, value_name = "ADDRESS")]
    pub auction: Address,
}

/// `sinter auction bid`.
#[derive(Debug, Args)]
pub struct BidArguments {
    /// Which auction.
    #[command(flatten)]
    pub at: AtArguments,
    /// The ed25519 key, 64 hex digits, whose signed bundle comes first
    #[arg(long, value_name = "HEX")]
    pub key: String,
    /// How much, in ether
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub amount: U256,
    /// For this term or none; without it, the next one, whichever that is
    #[arg(long, value_name = "NUMBER")]
    pub term: Option<u64>,
}

/// `sinter auction lapse`.
#[derive(Debug, Args)]
pub struct LapseArguments {
    /// Which auction.
    #[command(flatten)]
    pub at: AtArguments,
    /// Which term
    #[arg(long, value_name = "NUMBER")]
    pub term: u64,
}

/// `sinter auction refund`.
#[derive(Debug, Args)]
pub struct RefundArguments {
    /// Which auction.
    #[command(flatten)]
    pub at: AtArguments,
    /// Whose; without it, of the account that pays
    #[arg(long, value_name = "ADDRESS")]
    pub bidder: Option<Address>,
}

/// `sinter auction limit`.
#[derive(Debug, Args)]
pub struct LimitArguments {
    /// Which auction.
    #[command(flatten)]
    pub at: AtArguments,
    /// What it may have.
    #[command(flatten)]
    pub limits: Limits,
}

/// `sinter auction withdraw`.
#[derive(Debug, Args)]
pub struct WithdrawArguments {
    /// Which auction.
    #[command(flatten)]
    pub at: AtArguments,
    /// How much at most, in ether; without it, all
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub amount: Option<U256>,
}

/// `sinter auction hand-back`.
#[derive(Debug, Args)]
pub struct HandBackArguments {
    /// Which auction.
    #[command(flatten)]
    pub at: AtArguments,
    /// Whose it is from then on
    #[arg(long, value_name = "ADDRESS")]
    pub to: Address,
}

/// `sinter auction show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Where the namespace's contract is.
    #[command(flatten)]
    pub contract: ContractArguments,
    /// The auction's address
    #[arg(long, value_name = "ADDRESS")]
    pub auction: Address,
}

/// Carries a command out.
///
/// # Errors
/// With [`Exit::Refused`] when the contract does not take it.
pub fn run(command: &AuctionCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        match command {
            AuctionCommand::Open(arguments) => open(arguments).await,
            AuctionCommand::Bid(arguments) => bid(arguments).await,
            AuctionCommand::Begin(at) => act(at, "beginning the term", &Calls::beginCall {}).await,
            AuctionCommand::Lapse(LapseArguments { at, term }) => {
                act(at, "giving the bid back", &Calls::lapseCall { term: *term }).await
            }
            AuctionCommand::Refund(RefundArguments { at, bidder }) => {
                let own = || read_key(&at.payer.key_file).map(|signer| signer.address());
                let bidder = bidder.map_or_else(own, Ok)?;
                act(at, "paying the bidder", &Calls::refundCall { bidder }).await
            }
            AuctionCommand::Collect(at) => act(at, "paying the revenue", &Calls::collectCall {}).await,
            AuctionCommand::Limit(LimitArguments { at, limits }) => {
                let call =
                    Calls::limitCall { blockBytesMax: limits.block_bytes_max, epochWeiMax: limits.epoch_wei_max() };
                act(at, "limiting the namespace", &call).await
            }
            AuctionCommand::Withdraw(WithdrawArguments { at, amount }) => {
                let amount = amount.map_or(u128::MAX, |wei| wei.saturating_to());
                act(at, "withdrawing from the namespace", &Calls::withdrawCall { amount }).await
            }
            AuctionCommand::Close(at) => act(at, "closing the auction", &Calls::closeCall {}).await,
            AuctionCommand::HandBack(HandBackArguments { at, to }) => {
                act(at, "handing the namespace back", &Calls::handBackCall { to: *to }).await
            }
            AuctionCommand::Show(arguments) => show(arguments).await,
        }
    })
}

async fn open(arguments: &OpenArguments) -> Result<(), Failure> {
    let signer = read_key(&arguments.payer.key_file)?;
    let owner = signer.address();
    let contract = Contract::open(&arguments.payer.contract, Some(&signer)).await?;
    contract.require_owner(Namespace(arguments.namespace), owner).await?;
    let terms = Terms {
        namespaces: contract.address(),
        namespace: Namespace(arguments.namespace),
        owner,
        revenue: arguments.revenue.unwrap_or(owner),
        term_s: arguments.term_s,
        bid_min_wei: arguments.bid_min,
    };
    let deployed = express_auction::deploy(contract.provider(), owner, &terms).await;
    let auction = deployed.or_fail(Exit::Failed, "deploying the auction")?;
    eprintln!(
        "the auction is at {auction}: if what follows fails, `sinter namespace transfer --to {auction}` opens it"
    );
    let call = namespaces::transferCall { namespace: arguments.namespace, to: auction };
    let receipt = contract.send(owner, "transferring the namespace to the auction", &call, U256::ZERO).await?;
    print_result(json!({
        "auction": auction, "namespace": arguments.namespace, "revenue": terms.revenue,
        "transaction": receipt.transaction_hash, "l1_block": receipt.block_number,
    }))
}

async fn bid(arguments: &BidArguments) -> Result<(), Failure> {
    let at = &arguments.at;
    let Digest(key) = auction_key("--key", &arguments.key)?;
    let signer = read_key(&at.payer.key_file)?;
    let contract = Contract::open(&at.payer.contract, Some(&signer)).await?;
    require_real(&contract, at.auction).await?;
    let next = ask(&contract, at.auction, &Calls::currentCall {}).await?.saturating_add(1);
    let term = arguments.term.unwrap_or(next);
    let call = Calls::bidCall { term, key: key.into() };
    carry_out(&contract, (signer.address(), at.auction), "bidding", &call, arguments.amount).await?;
    eprintln!("you have the highest bid for term {term}: begin it with `sinter auction begin` when it runs");
    print_result(json!({ "term": term, "bid_wei": arguments.amount.to_string() }))
}

async fn show(arguments: &ShowArguments) -> Result<(), Failure> {
    let contract = Contract::open(&arguments.contract, None).await?;
    let at = arguments.auction;
    require_real(&contract, at).await?;
    let current = ask(&contract, at, &Calls::currentCall {}).await?;
    let begun = ask(&contract, at, &Calls::begunCall {}).await?;
    let term_s = ask(&contract, at, &Calls::termSecondsCall {}).await?;
    let bid_min = ask(&contract, at, &Calls::bidMinCall {}).await?;
    let last = ask(&contract, at, &Calls::lastCall {}).await?;
    let namespace = ask(&contract, at, &Calls::namespaceCall {}).await?;
    let revenue = ask(&contract, at, &Calls::revenueCall {}).await?;
    let offer = async |term| {
        let offer = ask(&contract, at, &Calls::offersCall { term }).await?;
        let bid = json!({ "bidder": offer.bidder, "key": offer.key, "bid_wei": offer.amount.to_string() });
        Ok::<_, Failure>((!offer.amount.is_zero()).then_some(bid))
    };
    let text = json!({
        "namespace": namespace, "revenue": revenue, "term_s": term_s, "bid_min_wei": bid_min.to_string(),
        "term": current, "begun": begun == current, "to_begin": offer(current).await?,
        "next_term": current.saturating_add(1), "next_term_from_unix_s": current.saturating_add(1).saturating_mul(term_s),
        "highest_bid": offer(current.saturating_add(1)).await?,
        "last_term": (last != u64::MAX).then_some(last),
    });
    let text = serde_json::to_string_pretty(&text).or_fail(Exit::Failed, "printing")?;
    print_result(text)
}

/// Checks that an auction sells what it says: it is of this order's contract, and has the namespace.
async fn require_real(contract: &Contract, auction: Address) -> Result<(), Failure> {
    let (expected, got) = (contract.address(), ask(contract, auction, &Calls::namespacesCall {}).await?);
    if expected != got {
        let message =
            format!("{auction}: expected an auction of the namespaces at {expected}, got one of those at {got}");
        return Err(Failure::new(Exit::Refused, message));
    }
    let namespace = Namespace(ask(contract, auction, &Calls::namespaceCall {}).await?);
    contract.require_owner(namespace, auction).await
}

async fn ask<C: SolCall>(contract: &Contract, at: Address, call: &C) -> Result<C::Return, Failure> {
    light_client::ask(contract.provider(), at, call).await.or_fail(Exit::Failed, "asking the auction")
}

async fn carry_out<C: SolCall>(
    contract: &Contract,
    (from, at): (Address, Address),
    what: &str,
    call: &C,
    value: U256,
) -> Result<alloy::rpc::types::TransactionReceipt, Failure> {
    // What the auction asks of the namespace's contract may be refused there.
    let explain = |data: &[u8]| {
        let own = express_auction::refusal(data).map(|refusal| express_auction::explain(&refusal));
        own.or_else(|| namespaces::refusal(data).map(|refusal| namespaces::explain(&refusal)))
    };
    send(contract.provider(), (from, at), what, call, value, explain).await
}

async fn act<C: SolCall>(at: &AtArguments, what: &str, call: &C) -> Result<(), Failure> {
    let signer = read_key(&at.payer.key_file)?;
    let contract = Contract::open(&at.payer.contract, Some(&signer)).await?;
    let receipt = carry_out(&contract, (signer.address(), at.auction), what, call, U256::ZERO).await?;
    print_result(json!({ "transaction": receipt.transaction_hash, "l1_block": receipt.block_number }))
}
