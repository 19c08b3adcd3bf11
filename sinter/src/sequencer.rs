//! `sinter sequencer`: be a member of the committee.

use crate::{
    args::{InitArguments, SequencerCommand},
    exit::{Exit, Failure, OrFail, print_result},
};
use serde::Serialize;
use sinter_primitives::committee::Seat;
use sinter_sequencer::keys;
use std::path::Path;

/// Carries the command out.
///
/// # Errors
/// When a configuration or key is wrong.
pub fn run(command: SequencerCommand) -> Result<(), Failure> {
    match command {
        SequencerCommand::Init(arguments) => {
            make_keys(&arguments.keys)?;
            print_seat(&arguments)
        }
        SequencerCommand::Seat(arguments) => print_seat(&arguments),
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
