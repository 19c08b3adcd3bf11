//! `sinter keys`: make a member's keys, and show what is public of them.

use crate::exit::{Exit, Failure, OrFail, print_result};
use clap::{Args, Subcommand};
use commonware_cryptography::{bls12381::primitives::group::Private, ed25519::PrivateKey};
use serde::Serialize;
use sinter_primitives::committee::Seat;
use sinter_sequencer::{keys, passphrase};
use std::path::{Path, PathBuf};

/// Where a member's node key lies in the directory of its keys.
pub const NODE_KEY: &str = "node.key";
/// Where its BLS key lies.
pub const BLS_KEY: &str = "bls.key";
const PROVING: &str = "making the proof of possession";

/// `sinter keys …`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make a member's node key, and its BLS key in an EIP-2335 keystore
    New(NewArguments),
    /// Make an ed25519 key alone, for a signer that nodes reach over TLS, and print its public half
    Node {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print what is public of a BLS key: the key, its proof of possession, and its seat for chain.toml
    Show(ShowArguments),
}

/// `sinter keys new`.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// The directory that gets node.key and bls.key
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The keystore's passphrase, mode 0600; without it, the systemd credential bls-passphrase or the terminal has it
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// `sinter keys show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// A BLS key: a keystore, or hex
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The keystore's passphrase, as for `keys new`
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The node key of the seat that is to be printed
    #[arg(long, value_name = "FILE", requires = "address")]
    node_key_file: Option<PathBuf>,
    /// Where other members will reach that seat over QUIC
    #[arg(long, value_name = "HOST:PORT", requires = "node_key_file")]
    address: Option<String>,
}

/// Carries the command out.
///
/// # Errors
/// When a key cannot be read or written, or a passphrase is missing or wrong.
pub fn run(command: &KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::New(arguments) => new(arguments),
        KeysCommand::Node { file } => {
            let key = keys::generate_node_key(file, rand::rng()).or_fail(Exit::Usage, "")?;
            print_result(format!("0x{}", keys::node_public(&key)))
        }
        KeysCommand::Show(arguments) => show(arguments),
    }
}

fn new(arguments: &NewArguments) -> Result<(), Failure> {
    let (directory, file) = (&arguments.out, arguments.out.join(BLS_KEY));
    if file.exists() {
        // Found out before anybody thinks of a passphrase.
        return Err(Failure::new(Exit::Usage, format!("{}: expected none, got a key in use", file.display())));
    }
    let passphrase = passphrase::new(arguments.passphrase_file.as_deref(), &file).or_fail(Exit::Usage, "")?;
    make_directory(directory)?;
    let node_key = keys::generate_node_key(&directory.join(NODE_KEY), rand::rng()).or_fail(Exit::Usage, "")?;
    let bls_key = keys::generate_bls_keystore(&file, &passphrase, rand::rng()).or_fail(Exit::Usage, "")?;
    print_public(Some(&node_key), &bls_key)
}

fn show(arguments: &ShowArguments) -> Result<(), Failure> {
    let bls_key = keys::read_bls_key(&arguments.file, arguments.passphrase_file.as_deref()).or_fail(Exit::Usage, "")?;
    if let (Some(node_key_file), Some(address)) = (&arguments.node_key_file, &arguments.address) {
        let node_key = keys::read_node_key(node_key_file).or_fail(Exit::Usage, "")?;
        return print_seat(keys::seat(&node_key, &bls_key, address).or_fail(Exit::Usage, PROVING)?);
    }
    print_public(None, &bls_key)
}

fn print_public(node_key: Option<&PrivateKey>, bls_key: &Private) -> Result<(), Failure> {
    /// Named as in a seat.
    #[derive(Serialize)]
    struct Public {
        #[serde(skip_serializing_if = "Option::is_none")]
        node_key: Option<String>,
        bls_key: String,
        proof_of_possession: String,
    }
    let proof_of_possession = keys::proof_of_possession(bls_key).or_fail(Exit::Failed, PROVING)?;
    print_toml(&Public {
        node_key: node_key.map(|key| format!("0x{}", keys::node_public(key))),
        bls_key: format!("0x{}", keys::bls_public_hex(bls_key)),
        proof_of_possession: format!("0x{}", hex::encode(proof_of_possession)),
    })
}

/// Makes both keys of a member in `directory`, which is made too, in the clear. Keys that exist are never overwritten.
///
/// # Errors
/// When a key exists already or cannot be written.
pub fn make_plain(directory: &Path) -> Result<(), Failure> {
    make_directory(directory)?;
    keys::generate_node_key(&directory.join(NODE_KEY), rand::rng()).or_fail(Exit::Usage, "")?;
    keys::generate_bls_key(&directory.join(BLS_KEY), rand::rng()).or_fail(Exit::Usage, "")?;
    Ok(())
}

/// The seat of the keys in `directory`.
///
/// # Errors
/// When a key cannot be read.
pub fn seat(directory: &Path, address: &str) -> Result<Seat, Failure> {
    let node_key = keys::read_node_key(&directory.join(NODE_KEY)).or_fail(Exit::Usage, "")?;
    let bls_key = keys::read_bls_key(&directory.join(BLS_KEY), None).or_fail(Exit::Usage, "")?;
    keys::seat(&node_key, &bls_key, address).or_fail(Exit::Usage, PROVING)
}

/// Prints a seat as a piece of chain.toml.
///
/// # Errors
/// When standard output cannot be written.
pub fn print_seat(seat: Seat) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Seats {
        seats: [Seat; 1],
    }
    print_toml(&Seats { seats: [seat] })
}

fn print_toml(value: &impl Serialize) -> Result<(), Failure> {
    let text = toml::to_string(value).or_fail(Exit::Failed, "writing TOML")?;
    print_result(text.trim_end())
}

fn make_directory(directory: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory).or_fail(Exit::Usage, format_args!("making {}", directory.display()))
}
