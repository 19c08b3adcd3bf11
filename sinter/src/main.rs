//! The one binary: arguments, configuration and wiring. What it wires lives in the other crates.

mod aggregation;
mod aggregator;
mod args;
mod auction;
mod bench;
mod chain;
mod client;
mod config;
mod devnet;
mod doctor;
mod evidence;
mod exit;
mod firmware;
mod force;
mod hub;
mod keys;
mod l1;
mod l1_view;
mod load;
mod metrics;
mod namespace;
mod receipt;
mod relayer;
mod rollup;
mod sequencer;
mod settle;
mod signals;
mod signer;
mod trace;
mod variants;
mod view;

use args::{Arguments, Command};
use clap::Parser;
use exit::Failure;
use std::process::ExitCode;

/// A member runs for months. Under load, glibc's arenas fragment, and a process that holds no more than before still grows:
/// `sinter bench order --only memory` measures by how much.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Before anything else: this process may be replaced by one that uses what the processor has.
    sinter_prover::variants::switch();
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.code()
        }
    }
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    match arguments.command {
        Command::Sequencer(command) => sequencer::run(command),
        Command::Keys(command) => keys::run(&command),
        Command::Signer(command) => signer::run(&command),
        Command::Chain(command) => chain::run(&command),
        Command::Receipt(command) => receipt::run(command),
        Command::Bench(command) => bench::run(&command),
        Command::Devnet(arguments) => devnet::run(&arguments),
        Command::Relayer(command) => relayer::run(&command),
        Command::Aggregator(command) => aggregator::run(&command),
        Command::Rollup(command) => rollup::run(&command),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Settle(arguments) => settle::run(&arguments),
        Command::Hub(command) => hub::run(&command),
        Command::L1(command) => l1::run(&command),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Evidence(command) => evidence::run(&command),
        Command::Force(arguments) => force::run(&arguments),
        Command::Namespace(command) => namespace::run(&command),
        Command::Auction(command) => auction::run(&command),
        Command::Credit(command) => namespace::run_credit(&command),
        Command::Firmware(command) => firmware::run(&command),
        Command::Soundness(arguments) => aggregation::soundness(&arguments),
        Command::Program(command) => aggregation::program(&command),
        Command::Leaf(command) => aggregation::leaf(&command),
        Command::Wrap(arguments) => aggregation::wrap(&arguments),
        Command::Fold(arguments) => aggregation::fold(&arguments),
        Command::Aggregate(arguments) => aggregation::aggregate(&arguments),
        Command::Verify(arguments) => aggregation::verify(&arguments),
        Command::Seal(arguments) => aggregation::seal_root(&arguments),
        Command::PackVariants(arguments) => variants::pack(&arguments),
    }
}
