//! `sinter sequencer`: be a member of the committee.

use crate::{
    args::{RunArguments, SequencerCommand, VotesArguments},
    config::start_log,
    exit::{Exit, Failure, OrFail, print_result},
    keys, signals,
};
use sinter_sequencer::{
    config::NodeConfig,
    node,
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
    }
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

fn run_node(arguments: &RunArguments) -> Result<(), Failure> {
    let config = NodeConfig::load(arguments.config.as_deref(), &arguments.overrides).or_fail(Exit::Usage, "")?;
    start_log(&config.log, arguments.log_format)?;
    let stop_with_input = arguments.stop_with_input;
    let shutdown = async move {
        let reason = signals::told_to_stop(stop_with_input).await;
        tracing::info!(reason, "stopping");
    };
    node::run(config, shutdown).map_err(|error| {
        let exit = if error.is_configuration() { Exit::Usage } else { Exit::Failed };
        Failure::because(exit, "", &error)
    })
}
