//! Key files: 32 bytes of hex and a newline, readable by their owner alone.
//!
//! A node holds two secrets: the ed25519 key that its peers know it by, and the BLS key that it votes with.

use commonware_codec::{Copying, DecodeExt, Encode, Write as _};
use commonware_cryptography::{
    Signer,
    bls12381::primitives::{
        group::Private,
        ops,
        variant::{MinSig, Variant},
    },
    ed25519,
};
use commonware_math::algebra::Random;
use rand_core::CryptoRng;
use sinter_primitives::committee::{CommitteeError, Seat, sign_proof_of_possession};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The mode that a key file must have.
pub const KEY_FILE_MODE: u32 = 0o600;
const KEY_BYTES: usize = 32;
// Hex digits, an `0x`, and a line end: anything longer is not a key file.
const KEY_FILE_BYTES_MAX: u64 = 2 * KEY_BYTES as u64 + 4;

/// A BLS key in G2.
pub type BlsPublic = <MinSig as Variant>::Public;

/// Why a key file was refused.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It could not be read or written.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("key file {path}: expected mode 0600, got {got:04o}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        got: u32,
    },
    /// Its text is not a key.
    #[error("key file {path}: expected 64 hex digits, got {got}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What is there, without showing it.
        got: String,
    },
    /// 32 bytes that are no key of this kind.
    #[error("key file {path}: expected {expected}, got 32 bytes that are none")]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// The kind of key.
        expected: &'static str,
    },
}

/// Reads the ed25519 key that peers know this node by.
///
/// # Errors
/// [`KeyError`], naming the file.
pub fn read_node_key(path: &Path) -> Result<ed25519::PrivateKey, KeyError> {
    let bytes = read(path)?;
    ed25519::PrivateKey::decode(Copying(bytes.as_slice()))
        .map_err(|_| KeyError::NotAKey { path: path.into(), expected: "an ed25519 private key" })
}

/// Reads the BLS key that this node votes with.
///
/// # Errors
/// [`KeyError`], naming the file.
pub fn read_bls_key(path: &Path) -> Result<Private, KeyError> {
    let bytes = read(path)?;
    Private::decode(Copying(bytes.as_slice()))
        .map_err(|_| KeyError::NotAKey { path: path.into(), expected: "a BLS12-381 private key" })
}

/// Makes an ed25519 key and writes it to a new file.
///
/// # Errors
/// [`KeyError::Io`] when the file exists or cannot be written.
pub fn generate_node_key(path: &Path, rng: impl CryptoRng) -> Result<ed25519::PrivateKey, KeyError> {
    let key = ed25519::PrivateKey::random(rng);
    write(path, &Zeroizing::new(key.encode().to_vec()))?;
    Ok(key)
}

/// Makes a BLS key and writes it to a new file.
///
/// # Errors
/// [`KeyError::Io`] when the file exists or cannot be written.
pub fn generate_bls_key(path: &Path, rng: impl CryptoRng) -> Result<Private, KeyError> {
    let key = Private::random(rng);
    write(path, &Zeroizing::new(key.encode().to_vec()))?;
    Ok(key)
}

/// The public half of a node key.
#[must_use]
pub fn node_public(key: &ed25519::PrivateKey) -> ed25519::PublicKey {
    key.public_key()
}

/// The public half of a BLS key.
#[must_use]
pub fn bls_public(key: &Private) -> BlsPublic {
    ops::compute_public::<MinSig>(key)
}

/// The seat of a member with these keys, as `chain.toml` writes it.
///
/// # Errors
/// [`CommitteeError`] when the BLS key cannot sign its proof of possession.
pub fn seat(node_key: &ed25519::PrivateKey, bls_key: &Private, address: &str) -> Result<Seat, CommitteeError> {
    let mut secret = Zeroizing::new([0; KEY_BYTES]);
    bls_key.write(&mut secret.as_mut_slice());
    let mut seat = Seat {
        node_key: [0; 32],
        bls_key: [0; 96],
        proof_of_possession: sign_proof_of_possession(&secret)?,
        address: address.to_owned(),
    };
    node_public(node_key).write(&mut seat.node_key.as_mut_slice());
    bls_public(bls_key).write(&mut seat.bls_key.as_mut_slice());
    Ok(seat)
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let failed = |source| KeyError::Io { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    // The mode of the open file, not of the path: nobody can swap it in between.
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode != KEY_FILE_MODE {
        return Err(KeyError::Mode { path: path.into(), got: mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut bytes = Zeroizing::new(vec![0u8; KEY_BYTES]);
    hex::decode_to_slice(digits, &mut bytes)
        .map_err(|error| KeyError::Text { path: path.into(), got: format!("{} characters: {error}", digits.len()) })?;
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { path: path.into(), source };
    // `create_new`: a key that is in use is never overwritten.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(KEY_FILE_MODE).open(path).map_err(failed)?;
    let text = Zeroizing::new(hex::encode(bytes) + "\n");
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use commonware_utils::test_rng;
    use std::fs;

    #[test]
    fn keys_come_back_as_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        let written = generate_node_key(&path, test_rng()).unwrap();
        assert_eq!(read_node_key(&path).unwrap().public_key(), written.public_key());
        let path = dir.path().join("bls.key");
        let written = generate_bls_key(&path, test_rng()).unwrap();
        assert_eq!(bls_public(&read_bls_key(&path).unwrap()), bls_public(&written));
    }

    #[test]
    fn a_seat_of_these_keys_makes_a_committee() {
        let dir = tempfile::tempdir().unwrap();
        let node_key = generate_node_key(&dir.path().join("node.key"), test_rng()).unwrap();
        let bls_key = generate_bls_key(&dir.path().join("bls.key"), test_rng()).unwrap();
        let seat = seat(&node_key, &bls_key, "localhost:7000").unwrap();
        sinter_primitives::Committee::new(vec![seat]).unwrap();
    }

    #[test]
    fn a_key_in_use_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        generate_node_key(&path, test_rng()).unwrap();
        let error = generate_node_key(&path, test_rng()).unwrap_err();
        assert!(matches!(error, KeyError::Io { .. }), "{error}");
    }

    #[test]
    fn others_must_not_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        generate_node_key(&path, test_rng()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_node_key(&path).unwrap_err();
        assert!(error.to_string().ends_with("expected mode 0600, got 0640"), "{error}");
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("short", "00ff"), ("long", &"0".repeat(70)), ("words", &"z".repeat(64))] {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(read_node_key(&path), Err(KeyError::Text { .. })), "{name}");
        }
        // Zero is no BLS scalar.
        let path = dir.path().join("zero");
        fs::write(&path, "00".repeat(32)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(read_bls_key(&path), Err(KeyError::NotAKey { .. })));
    }
}
