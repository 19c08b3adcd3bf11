//! `sinter sequencer`: be a member of the committee.

use crate::{
    args::{InitArguments, RunArguments, SequencerCommand, VotesArguments},
    config::start_log,
    exit::{Exit, Failure, OrFail, print_result},
    signals,
};
use serde::Serialize;
use sinter_primitives::committee::Seat;
use sinter_sequencer::{
    config::NodeConfig,
    keys, node,
    votes::{self, Choice, Vote},
};
use std::path::Path;

/// Carries the command out.
///
/// # Errors
/// When a configuration or key is wrong, or the node stops for another reason than being told to.
pub fn run(command: SequencerCommand) -> Result<(), Failure> {
    match command {
        SequencerCommand::Run(arguments) => run_node(&arguments),
        SequencerCommand::Init(arguments) => {
            make_keys(&arguments.keys)?;
            print_seat(&arguments)
        }
        SequencerCommand::Seat(arguments) => print_seat(&arguments),
        SequencerCommand::Votes(arguments) => print_votes(&arguments),
    }
}

/// Makes both keys of a member in `directory`, which is made too. Keys that exist are never overwritten.
///
/// # Errors
/// When a key exists already or cannot be written.
pub fn make_keys(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).or_fail(Exit::Usage, format_args!("making {}", directory.display()))?;
    keys::generate_node_key(&directory.join("node.key"), rand::rng()).or_fail(Exit::Usage, "")?;
    keys::generate_bls_key(&directory.join("bls.key"), rand::rng()).or_fail(Exit::Usage, "")?;
    Ok(())
}

/// The seat of the keys in `directory`.
///
/// # Errors
/// When a key cannot be read.
pub fn seat(directory: &Path, address: &str) -> Result<Seat, Failure> {
    let node_key = keys::read_node_key(&directory.join("node.key")).or_fail(Exit::Usage, "")?;
    let bls_key = keys::read_bls_key(&directory.join("bls.key")).or_fail(Exit::Usage, "")?;
    keys::seat(&node_key, &bls_key, address).or_fail(Exit::Usage, "making the proof of possession")
}

fn print_seat(arguments: &InitArguments) -> Result<(), Failure> {
    /// A piece of chain.toml.
    #[derive(Serialize)]
    struct Seats {
        seats: [Seat; 1],
    }
    let seats = Seats { seats: [seat(&arguments.keys, &arguments.address)?] };
    let text = toml::to_string(&seats).or_fail(Exit::Failed, "writing the seat as TOML")?;
    print_result(text.trim_end())
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
