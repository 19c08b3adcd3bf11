//! `sinter sequencer`: be a member of the committee.
//!
//! | module | holds |
//! |---|---|
//! | [`begin`] | where a node begins that has no history |
//! | [`join`], [`rotate`], [`leave`] | what an owner pays for on L1: come, change, go |
//! | [`status`] | what he has, and waits for |
//! | `contract`, `identity` | the registry and the keys that these are about |

pub mod begin;
mod contract;
mod identity;
pub mod join;
pub mod leave;
pub mod rotate;
pub mod status;

use crate::{
    args::{RunArguments, SequencerCommand, VotesArguments},
    chain,
    config::start_log,
    exit::{Exit, Failure, OrFail, print_result},
    keys,
    l1_view::{L1Follower, L1FollowerConfig},
    signals,
};
use futures::FutureExt as _;
use sinter_sequencer::{
    config::NodeConfig,
    node, rpc,
    votes::{self, Choice, Vote},
};

/// Carries the command out.
///
/// # Errors
/// When a configuration or key is wrong, or the node stops for another reason than being told to.
pub fn run(command: SequencerCommand) -> Result<(), Failure> {
    match command {
        SequencerCommand::Run(arguments) => run_node(&arguments),
        SequencerCommand::Init(arguments) => {
            keys::make_plain(&arguments.keys)?;
            keys::print_seat(keys::seat(&arguments.keys, &arguments.address)?)
        }
        SequencerCommand::Seat(arguments) => keys::print_seat(keys::seat(&arguments.keys, &arguments.address)?),
        SequencerCommand::Votes(arguments) => print_votes(&arguments),
        SequencerCommand::Register(arguments) => block_on(join::register(&arguments)),
        SequencerCommand::TopUp(arguments) => block_on(join::top_up(&arguments)),
        SequencerCommand::RotateKeys(arguments) => block_on(rotate::run(&arguments)),
        SequencerCommand::Exit(arguments) => block_on(leave::exit(&arguments)),
        SequencerCommand::Undelegate(arguments) => block_on(leave::undelegate(&arguments)),
        SequencerCommand::Claim(arguments) => block_on(leave::claim(&arguments)),
        SequencerCommand::Committee(arguments) => block_on(begin::committee(&arguments)),
        SequencerCommand::Status(arguments) => block_on(status::run(&arguments)),
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?.block_on(command)
}

fn print_votes(arguments: &VotesArguments) -> Result<(), Failure> {
    let votes = votes::read(&arguments.data_dir).or_fail(Exit::Usage, "")?;
    for vote in &votes {
        if arguments.json {
            print_result(serde_json::to_string(vote).or_fail(Exit::Failed, "writing a vote as JSON")?)?;
        } else {
            print_result(vote_as_text(vote))?;
        }
    }
    match votes::conflicts(&votes).first() {
        None => Ok(()),
        Some((first, second)) => {
            let message = format!("votes that exclude each other: {}; {}", vote_as_text(first), vote_as_text(second));
            Err(Failure::new(Exit::Refused, message))
        }
    }
}

fn vote_as_text(vote: &Vote) -> String {
    let (kind, block) = match vote.choice {
        Choice::Notarize { parent_view, payload } => ("notarize", format!("  0x{payload} on view {parent_view}")),
        Choice::Finalize { parent_view, payload } => ("finalize", format!("  0x{payload} on view {parent_view}")),
        Choice::Nullify => ("nullify", String::new()),
    };
    format!("epoch {} view {}  {kind}{block}", vote.epoch, vote.view)
}

/// What the node sees of the L1, where it is told of one and its chain follows it.
fn l1(config: &NodeConfig) -> Result<node::L1, Failure> {
    let l1 = chain::load(&config.chain)?.file.l1;
    if !l1.is_followed() || config.l1_rpc.is_empty() {
        return Ok(None);
    }
    let (endpoints, poll_interval_ms) = (config.l1_rpc.clone(), config.l1_poll_interval_ms);
    let follower = L1Follower::start(L1FollowerConfig { endpoints, poll_interval_ms, l1 });
    follower.map(Some).or_fail(Exit::Usage, "`l1_rpc`")
}

fn run_node(arguments: &RunArguments) -> Result<(), Failure> {
    let config = NodeConfig::load(arguments.config.as_deref(), &arguments.overrides).or_fail(Exit::Usage, "")?;
    start_log(&config.log, arguments.log_format)?;
    // Before the L1 is followed, which counts from its first look on.
    rpc::metrics::install().or_fail(Exit::Failed, "")?;
    // One look-out for the whole time: a signal that comes between joining and running is not lost.
    let signals = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let stopped = signals.spawn(signals::told_to_stop(arguments.stop_with_input));
    let shutdown = async move {
        let reason = stopped.await.unwrap_or("nobody looks out for signals");
        tracing::info!(reason, "stopping");
    };
    let shutdown = shutdown.boxed().shared();
    let l1 = l1(&config)?;
    if !config.join_from.is_empty() {
        let begun = signals.block_on(async {
            tokio::select! {
                begun = begin::begin(&config) => Some(begun),
                () = shutdown.clone() => None,
            }
        });
        match begun {
            Some(begun) => begun?,
            None => return Ok(()),
        }
    }
    node::run(config, l1, shutdown).map_err(|error| {
        let exit = if error.is_configuration() { Exit::Usage } else { Exit::Failed };
        Failure::because(exit, "", &error)
    })
}
