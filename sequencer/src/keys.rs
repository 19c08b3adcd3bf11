//! Key files, readable by their owner alone: 32 bytes of hex and a newline, or, for a BLS key, an
//! [EIP-2335 keystore](crate::keystore), which a passphrase opens. The two are told apart by what is in them.
//!
//! A node holds two secrets: the ed25519 key that its peers know it by, and the BLS key that it votes with.

use crate::{
    keystore::{self, Keystore, KeystoreError, SECRET_BYTES},
    passphrase::{self, PassphraseError},
};
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
use sinter_primitives::committee::{CommitteeError, Seat, UNDRAWN_STAKE_WEI, sign_proof_of_possession};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The mode that a key file must have.
pub const KEY_FILE_MODE: u32 = 0o600;

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
    /// It is a keystore that cannot be opened.
    #[error("key file {path}: {source}")]
    Keystore {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: KeystoreError,
    },
    /// It is a keystore, and nobody says its passphrase.
    #[error("key file {path}: {source}")]
    Passphrase {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PassphraseError,
    },
}

/// Reads the ed25519 key that peers know this node by.
///
/// # Errors
/// [`KeyError`], naming the file.
pub fn read_node_key(path: &Path) -> Result<ed25519::PrivateKey, KeyError> {
    let bytes = parse_hex(path, &read(path)?)?;
    ed25519::PrivateKey::decode(Copying(bytes.as_slice()))
        .map_err(|_| KeyError::NotAKey { path: path.into(), expected: "an ed25519 private key" })
}

/// Reads the BLS key that this node votes with. Where the file is a keystore, the passphrase comes from `passphrase_file`, or from
/// where [`passphrase::existing`] looks next.
///
/// # Errors
/// [`KeyError`], naming the file.
pub fn read_bls_key(path: &Path, passphrase_file: Option<&Path>) -> Result<Private, KeyError> {
    let text = read(path)?;
    if !is_keystore(&text) {
        return decode_bls_key(path, parse_hex(path, &text)?.as_slice());
    }
    let failed = |source| KeyError::Keystore { path: path.into(), source };
    let keystore = Keystore::parse(&text).map_err(failed)?;
    let passphrase = passphrase::existing(passphrase_file, path)
        .map_err(|source| KeyError::Passphrase { path: path.into(), source })?;
    let key = decode_bls_key(path, keystore.decrypt(&passphrase).map_err(failed)?.as_slice())?;
    // The field is not encrypted: whoever looks there for whose key it is must not be misled.
    let expected = bls_public_hex(&key);
    let got = keystore.pubkey.trim_start_matches("0x").to_ascii_lowercase();
    if got == expected { Ok(key) } else { Err(failed(KeystoreError::OtherKey { expected, got })) }
}

fn decode_bls_key(path: &Path, bytes: &[u8]) -> Result<Private, KeyError> {
    Private::decode(Copying(bytes))
        .map_err(|_| KeyError::NotAKey { path: path.into(), expected: "a BLS12-381 private key" })
}

fn is_keystore(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// Makes an ed25519 key and writes it to a new file.
///
/// # Errors
/// [`KeyError::Io`] when the file exists or cannot be written.
pub fn generate_node_key(path: &Path, rng: impl CryptoRng) -> Result<ed25519::PrivateKey, KeyError> {
    let key = ed25519::PrivateKey::random(rng);
    write(path, &to_hex(&Zeroizing::new(key.encode().to_vec())))?;
    Ok(key)
}

/// Makes a BLS key and writes it to a new file.
///
/// # Errors
/// [`KeyError::Io`] when the file exists or cannot be written.
pub fn generate_bls_key(path: &Path, rng: impl CryptoRng) -> Result<Private, KeyError> {
    let key = Private::random(rng);
    write(path, &to_hex(secret(&key).as_slice()))?;
    Ok(key)
}

/// Makes a BLS key and writes it to a new keystore, which `passphrase` opens.
///
/// # Errors
/// [`KeyError::Io`] when the file exists or cannot be written.
pub fn generate_bls_keystore(path: &Path, passphrase: &str, rng: impl CryptoRng) -> Result<Private, KeyError> {
    let failed = |source| KeyError::Keystore { path: path.into(), source };
    let key = Private::random(rng);
    let keystore = Keystore::encrypt(&secret(&key), &bls_public(&key).encode(), passphrase).map_err(failed)?;
    write(path, &(keystore.to_text().map_err(failed)? + "\n"))?;
    Ok(key)
}

/// The public half of a node key.
#[must_use]
pub fn node_public(key: &ed25519::PrivateKey) -> ed25519::PublicKey {
    key.public_key()
}

/// The public half of a node key, from its hex digits.
#[must_use]
pub fn parse_node_public(text: &str) -> Option<ed25519::PublicKey> {
    let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok()?;
    ed25519::PublicKey::decode(Copying(bytes.as_slice())).ok()
}

/// The public half of a BLS key.
#[must_use]
pub fn bls_public(key: &Private) -> BlsPublic {
    ops::compute_public::<MinSig>(key)
}

/// The public half of a BLS key as hex digits.
#[must_use]
pub fn bls_public_hex(key: &Private) -> String {
    hex::encode(bls_public(key).encode())
}

/// The proof that whoever registers a BLS key has it.
///
/// # Errors
/// [`CommitteeError`] when the key cannot sign it.
pub fn proof_of_possession(key: &Private) -> Result<[u8; 48], CommitteeError> {
    sign_proof_of_possession(&secret(key))
}

/// The seat of a member with these keys, as `chain.toml` writes it.
///
/// # Errors
/// [`CommitteeError`] when the BLS key cannot sign its proof of possession.
pub fn seat(node_key: &ed25519::PrivateKey, bls_key: &Private, address: &str) -> Result<Seat, CommitteeError> {
    let mut seat = Seat {
        node_key: [0; 32],
        bls_key: [0; 96],
        proof_of_possession: proof_of_possession(bls_key)?,
        address: address.to_owned(),
        stake_wei: UNDRAWN_STAKE_WEI,
    };
    node_public(node_key).write(&mut seat.node_key.as_mut_slice());
    bls_public(bls_key).write(&mut seat.bls_key.as_mut_slice());
    Ok(seat)
}

/// A BLS key's secret, 32 bytes, big-endian: for signing what is no vote.
#[must_use]
pub fn secret(key: &Private) -> Zeroizing<[u8; SECRET_BYTES]> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    key.write(&mut bytes.as_mut_slice());
    bytes
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeyError> {
    let failed = |source| KeyError::Io { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    // The mode of the open file, not of the path: nobody can swap it in between.
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode != KEY_FILE_MODE {
        return Err(KeyError::Mode { path: path.into(), got: mode });
    }
    let mut text = Zeroizing::new(String::new());
    file.take(keystore::FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn parse_hex(path: &Path, text: &str) -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeyError> {
    let digits = text.trim();
    let digits = digits.strip_prefix("0x").unwrap_or(digits);
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    hex::decode_to_slice(digits, bytes.as_mut_slice())
        .map_err(|error| KeyError::Text { path: path.into(), got: format!("{} characters: {error}", digits.len()) })?;
    Ok(bytes)
}

fn to_hex(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(hex::encode(bytes) + "\n")
}

fn write(path: &Path, text: &str) -> Result<(), KeyError> {
    let failed = |source| KeyError::Io { path: path.into(), source };
    // `create_new`: a key that is in use is never overwritten.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(KEY_FILE_MODE).open(path).map_err(failed)?;
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
        assert_eq!(bls_public(&read_bls_key(&path, None).unwrap()), bls_public(&written));
    }

    #[test]
    fn a_keystore_comes_back_with_its_passphrase_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, passphrase) = (dir.path().join("bls.key"), dir.path().join("passphrase"));
        let say = |words: &str| {
            fs::write(&passphrase, words).unwrap();
            fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).unwrap();
            read_bls_key(&path, Some(&passphrase))
        };
        let written = generate_bls_keystore(&path, "correct horse", test_rng()).unwrap();
        assert_eq!(bls_public(&say("correct horse\n").unwrap()), bls_public(&written));
        let error = say("battery staple").unwrap_err();
        assert!(error.to_string().ends_with("the passphrase does not open it"), "{error}");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("\"pubkey\": \"", "\"pubkey\": \"00")).unwrap();
        let error = say("correct horse").unwrap_err();
        assert!(matches!(error, KeyError::Keystore { source: KeystoreError::OtherKey { .. }, .. }), "{error}");
        fs::write(&path, "{}").unwrap();
        let error = say("correct horse").unwrap_err();
        assert!(matches!(error, KeyError::Keystore { source: KeystoreError::Syntax(_), .. }), "{error}");
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
        assert!(matches!(read_bls_key(&path, None), Err(KeyError::NotAKey { .. })));
    }
}
