//! EIP-2335 keystores, version 4: a BLS key, encrypted with a passphrase.
//!
//! Written with scrypt, read with scrypt and PBKDF2. One thing is our own: the keys that vote here have their public half in
//! G2, so `pubkey` is those 96 bytes, compressed, and not a validator's 48; and `path` is empty, for no key is derived from
//! another. A file is somebody else's to write, so what it may ask of memory and time is bounded.

use aes::{
    Aes128,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use ctr::Ctr128BE;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

/// Bytes of a secret key.
pub const SECRET_BYTES: usize = 32;
/// Longest keystore: the standard's own examples have a tenth of this.
pub const FILE_BYTES_MAX: u64 = 16 << 10;

const VERSION: u32 = 4;
const DERIVED_BYTES: u32 = 32;
const CIPHER_KEY_BYTES: usize = 16;
const IV_BYTES: usize = 16;
const SALT_BYTES: usize = 32;

/// What scrypt writes with: 256 MiB, about a second.
const SCRYPT_N: u64 = 1 << 18;
const SCRYPT_R: u32 = 8;
const SCRYPT_P: u32 = 1;
/// Memory that a file may ask for, twice what we write with.
const SCRYPT_MEMORY_BYTES_MAX: u64 = 512 << 20;
/// `n · r · p` that a file may ask for, eight times what we write with.
const SCRYPT_WORK_MAX: u64 = 8 * SCRYPT_N * SCRYPT_R as u64 * SCRYPT_P as u64;
/// Rounds that a file may ask for, 64 times what the standard's example does.
const PBKDF2_ROUNDS_MAX: u32 = 1 << 24;
const PBKDF2_PRF: &str = "hmac-sha256";

/// Why a keystore was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeystoreError {
    /// It is not JSON, or lacks a field, or names a function that the standard does not have.
    #[error("expected an EIP-2335 keystore, got: {0}")]
    Syntax(String),
    /// It is of another version.
    #[error("keystore: expected version {VERSION}, got {got}")]
    Version {
        /// What it says.
        got: u32,
    },
    /// A field has a length or a value that the standard does not know.
    #[error("keystore: `{field}`: expected {expected}, got {got}")]
    Field {
        /// Its path.
        field: &'static str,
        /// What is admitted.
        expected: String,
        /// What is there.
        got: String,
    },
    /// Deriving its key would take too much.
    #[error("keystore: `{field}`: expected at most {max}, got {got}: it would take this machine's memory or time")]
    TooCostly {
        /// What would be too much.
        field: &'static str,
        /// The most that is done.
        max: u64,
        /// What it asks for.
        got: u64,
    },
    /// The passphrase is another.
    #[error("keystore: the passphrase does not open it")]
    Passphrase,
    /// `pubkey` is not the secret's.
    #[error("keystore: `pubkey`: expected the key's own, {expected}, got {got}")]
    OtherKey {
        /// The secret's.
        expected: String,
        /// What is there.
        got: String,
    },
}

/// A keystore file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keystore {
    crypto: Crypto,
    #[serde(default)]
    description: String,
    /// The public key's hex digits, without `0x`.
    pub pubkey: String,
    path: String,
    uuid: uuid::Uuid,
    version: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Crypto {
    kdf: Kdf,
    checksum: Checksum,
    cipher: Cipher,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kdf {
    #[serde(flatten)]
    function: KdfFunction,
    message: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "function", content = "params", rename_all = "kebab-case")]
enum KdfFunction {
    Scrypt {
        dklen: u32,
        n: u64,
        r: u32,
        p: u32,
        #[serde(with = "hex")]
        salt: Vec<u8>,
    },
    Pbkdf2 {
        dklen: u32,
        c: u32,
        prf: String,
        #[serde(with = "hex")]
        salt: Vec<u8>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Checksum {
    function: ChecksumFunction,
    params: NoParameters,
    #[serde(with = "hex")]
    message: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum ChecksumFunction {
    #[serde(rename = "sha256")]
    Sha256,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct NoParameters {}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cipher {
    #[serde(flatten)]
    function: CipherFunction,
    #[serde(with = "hex")]
    message: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "function", content = "params")]
enum CipherFunction {
    #[serde(rename = "aes-128-ctr")]
    Aes128Ctr {
        #[serde(with = "hex")]
        iv: Vec<u8>,
    },
}

impl Keystore {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`KeystoreError`] when it is no keystore, or one that would take too much to open.
    pub fn parse(text: &str) -> Result<Self, KeystoreError> {
        let keystore: Self = serde_json::from_str(text).map_err(|error| KeystoreError::Syntax(error.to_string()))?;
        if keystore.version != VERSION {
            return Err(KeystoreError::Version { got: keystore.version });
        }
        let Crypto { kdf, checksum, cipher } = &keystore.crypto;
        kdf.function.check()?;
        let CipherFunction::Aes128Ctr { iv } = &cipher.function;
        check_length("crypto.cipher.params.iv", IV_BYTES, iv)?;
        check_length("crypto.cipher.message", SECRET_BYTES, &cipher.message)?;
        check_length("crypto.checksum.message", DERIVED_BYTES as usize, &checksum.message)?;
        Ok(keystore)
    }

    /// Encrypts a secret, whose public half is `pubkey`.
    ///
    /// # Errors
    /// Never with the parameters that this writes with.
    pub fn encrypt(secret: &[u8; SECRET_BYTES], pubkey: &[u8], passphrase: &str) -> Result<Self, KeystoreError> {
        let kdf = KdfFunction::Scrypt {
            dklen: DERIVED_BYTES,
            n: SCRYPT_N,
            r: SCRYPT_R,
            p: SCRYPT_P,
            salt: rand::random::<[u8; SALT_BYTES]>().to_vec(),
        };
        Self::encrypt_with(kdf, secret, pubkey, passphrase)
    }

    fn encrypt_with(
        kdf: KdfFunction,
        secret: &[u8; SECRET_BYTES],
        pubkey: &[u8],
        passphrase: &str,
    ) -> Result<Self, KeystoreError> {
        let derived = kdf.derive(passphrase)?;
        let iv: [u8; IV_BYTES] = rand::random();
        let mut message = secret.to_vec();
        apply_cipher(&derived, &iv, &mut message);
        Ok(Self {
            crypto: Crypto {
                kdf: Kdf { function: kdf, message: String::new() },
                checksum: Checksum {
                    function: ChecksumFunction::Sha256,
                    params: NoParameters {},
                    message: checksum(&derived, &message),
                },
                cipher: Cipher { function: CipherFunction::Aes128Ctr { iv: iv.to_vec() }, message },
            },
            description: "a Sinter voting key: BLS12-381, public key in G2".into(),
            pubkey: hex::encode(pubkey),
            path: String::new(),
            uuid: uuid::Builder::from_random_bytes(rand::random()).into_uuid(),
            version: VERSION,
        })
    }

    /// The secret.
    ///
    /// # Errors
    /// [`KeystoreError::Passphrase`].
    pub fn decrypt(&self, passphrase: &str) -> Result<Zeroizing<[u8; SECRET_BYTES]>, KeystoreError> {
        let Crypto { kdf, checksum: expected, cipher } = &self.crypto;
        let derived = kdf.function.derive(passphrase)?;
        if checksum(&derived, &cipher.message) != expected.message {
            return Err(KeystoreError::Passphrase);
        }
        let CipherFunction::Aes128Ctr { iv } = &cipher.function;
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        // Lengths were checked when it was read.
        secret.copy_from_slice(&cipher.message);
        apply_cipher(&derived, iv, secret.as_mut_slice());
        Ok(secret)
    }

    /// Its file's text.
    ///
    /// # Errors
    /// Never: everything in it has a place in JSON.
    pub fn to_text(&self) -> Result<String, KeystoreError> {
        serde_json::to_string_pretty(self).map_err(|error| KeystoreError::Syntax(error.to_string()))
    }
}

impl KdfFunction {
    /// Checks what it would take, before anything is derived.
    fn check(&self) -> Result<(), KeystoreError> {
        let at_most =
            |field, max, got| if got > max { Err(KeystoreError::TooCostly { field, max, got }) } else { Ok(()) };
        let dklen = match self {
            Self::Scrypt { dklen, n, r, p, .. } => {
                let (n, r, p) = (*n, u64::from(*r), u64::from(*p));
                if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
                    let expected = "a power of two above 1 for n, and r and p above 0".into();
                    let got = format!("n = {n}, r = {r}, p = {p}");
                    return Err(KeystoreError::Field { field: "crypto.kdf.params", expected, got });
                }
                let block_bytes = n.saturating_mul(r);
                at_most("128 · n · r bytes", SCRYPT_MEMORY_BYTES_MAX, block_bytes.saturating_mul(128))?;
                at_most("n · r · p", SCRYPT_WORK_MAX, block_bytes.saturating_mul(p))?;
                *dklen
            }
            Self::Pbkdf2 { dklen, c, prf, .. } => {
                if *c == 0 || prf != PBKDF2_PRF {
                    let expected = format!("c above 0 and prf {PBKDF2_PRF}");
                    let got = format!("c = {c}, prf {prf:?}");
                    return Err(KeystoreError::Field { field: "crypto.kdf.params", expected, got });
                }
                at_most("c", PBKDF2_ROUNDS_MAX.into(), (*c).into())?;
                *dklen
            }
        };
        if dklen != DERIVED_BYTES {
            let (expected, got) = (DERIVED_BYTES.to_string(), dklen.to_string());
            return Err(KeystoreError::Field { field: "crypto.kdf.params.dklen", expected, got });
        }
        Ok(())
    }

    fn derive(&self, passphrase: &str) -> Result<Zeroizing<[u8; DERIVED_BYTES as usize]>, KeystoreError> {
        let passphrase = normalized(passphrase);
        let mut derived = Zeroizing::new([0; DERIVED_BYTES as usize]);
        match self {
            Self::Scrypt { n, r, p, salt, .. } => {
                let refused = |message: String| KeystoreError::Field {
                    field: "crypto.kdf.params",
                    expected: "parameters that scrypt takes".into(),
                    got: message,
                };
                let log_n = u8::try_from(n.trailing_zeros()).map_err(|error| refused(error.to_string()))?;
                let parameters = scrypt::Params::new(log_n, *r, *p).map_err(|error| refused(error.to_string()))?;
                scrypt::scrypt(passphrase.as_bytes(), salt, &parameters, derived.as_mut_slice())
                    .map_err(|error| refused(error.to_string()))?;
            }
            Self::Pbkdf2 { c, salt, .. } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(passphrase.as_bytes(), salt, *c, derived.as_mut_slice());
            }
        }
        Ok(derived)
    }
}

/// A passphrase as the standard hashes it: NFKD, so that two ways to type a letter are one, and without the control
/// characters of C0 and C1 and the delete character, which terminals and editors leave behind.
fn normalized(passphrase: &str) -> Zeroizing<String> {
    Zeroizing::new(passphrase.nfkd().filter(|character| !character.is_control()).collect())
}

fn check_length(field: &'static str, expected: usize, got: &[u8]) -> Result<(), KeystoreError> {
    if got.len() == expected {
        return Ok(());
    }
    Err(KeystoreError::Field { field, expected: format!("{expected} bytes"), got: format!("{} bytes", got.len()) })
}

/// SHA-256 over the half of the derived key that does not encrypt, and the ciphertext.
fn checksum(derived: &[u8; DERIVED_BYTES as usize], ciphertext: &[u8]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(&derived[CIPHER_KEY_BYTES..]);
    hash.update(ciphertext);
    hash.finalize().to_vec()
}

fn apply_cipher(derived: &[u8; DERIVED_BYTES as usize], iv: &[u8], bytes: &mut [u8]) {
    let mut key = Zeroizing::new([0; CIPHER_KEY_BYTES]);
    key.copy_from_slice(&derived[..CIPHER_KEY_BYTES]);
    let mut counter = [0; IV_BYTES];
    counter.copy_from_slice(iv);
    Ctr128BE::<Aes128>::new((&*key).into(), (&counter).into()).apply_keystream(bytes);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    const PASSPHRASE: &str = "𝔱𝔢𝔰𝔱𝔭𝔞𝔰𝔰𝔴𝔬𝔯𝔡🔑";
    const SECRET: &str = "000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f";
    const SALT: &str = "d4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3";

    /// The standard's own test vectors.
    fn vector(kdf: Value, checksum: &str, ciphertext: &str) -> Value {
        json!({
            "crypto": {
                "kdf": kdf,
                "checksum": { "function": "sha256", "params": {}, "message": checksum },
                "cipher": {
                    "function": "aes-128-ctr",
                    "params": { "iv": "264daa3f303d7259501c93d997d84fe6" },
                    "message": ciphertext,
                },
            },
            "description": "This is a test keystore that uses a KDF to secure the secret.",
            "pubkey": "9612d7a727c9d0a22e185a1c768478dfe919cada9266988cb32359c11f2b7b27f4ae4040902382ae2910c15e2b420d07",
            "path": "m/12381/60/3141592653/589793238",
            "uuid": "1d85ae20-35c5-4611-98e8-aa14a633906f",
            "version": 4,
        })
    }

    fn scrypt_vector() -> Value {
        let parameters = json!({ "dklen": 32, "n": 262_144, "p": 1, "r": 8, "salt": SALT });
        vector(
            json!({ "function": "scrypt", "params": parameters, "message": "" }),
            "d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484",
            "06ae90d55fe0a6e9c5c3bc5b170827b2e5cce3929ed3f116c2811e6366dfe20f",
        )
    }

    fn pbkdf2_vector() -> Value {
        let parameters = json!({ "dklen": 32, "c": 262_144, "prf": "hmac-sha256", "salt": SALT });
        vector(
            json!({ "function": "pbkdf2", "params": parameters, "message": "" }),
            "8a9f5d9912ed7e75ea794bc5a89bca5f193721d30868ade6f73043c6ea6febf1",
            "cee03fde2af33149775b7223e7845e4fb2c8ae1792e5f99fe9ecf474cc8c16ad",
        )
    }

    fn parse(value: &Value) -> Result<Keystore, KeystoreError> {
        Keystore::parse(&value.to_string())
    }

    fn cheap() -> KdfFunction {
        KdfFunction::Scrypt { dklen: 32, n: 2, r: 1, p: 1, salt: vec![7; 32] }
    }

    #[test]
    fn the_standards_vectors_open() {
        for vector in [scrypt_vector(), pbkdf2_vector()] {
            let keystore = parse(&vector).unwrap();
            assert_eq!(hex::encode(keystore.decrypt(PASSPHRASE).unwrap().as_slice()), SECRET);
            assert_eq!(keystore.decrypt("testpassword"), Err(KeystoreError::Passphrase));
        }
    }

    #[test]
    fn passphrases_are_compared_as_the_standard_says() {
        // From the standard: the bytes that are hashed.
        assert_eq!(hex::encode(normalized(PASSPHRASE).as_bytes()), "7465737470617373776f7264f09f9491");
        assert_eq!(normalized("a\u{0}\u{1f}\u{7f}\u{80}\u{9f}b\n").as_str(), "ab");
        let keystore = Keystore::encrypt_with(cheap(), &[5; 32], &[6; 96], "caf\u{e9}").unwrap();
        assert_eq!(*keystore.decrypt("cafe\u{301}\r\n").unwrap(), [5; 32]);
    }

    #[test]
    fn what_is_written_is_read() {
        let written = Keystore::encrypt(&[5; 32], &[6; 96], "a passphrase").unwrap();
        let read = Keystore::parse(&written.to_text().unwrap()).unwrap();
        assert_eq!(read, written);
        assert_eq!(*read.decrypt("a passphrase").unwrap(), [5; 32]);
        assert_eq!(read.pubkey, "06".repeat(96));
        assert_eq!(read.uuid.get_version_num(), 4);
    }

    #[test]
    fn a_file_cannot_ask_for_too_much() {
        let with = |place: &str, value: u64, mut vector: Value| {
            vector["crypto"]["kdf"]["params"][place] = value.into();
            parse(&vector).unwrap_err()
        };
        for (place, value) in [("n", 1 << 62), ("n", 1 << 20), ("r", 1 << 31), ("p", 9)] {
            let error = with(place, value, scrypt_vector());
            assert!(matches!(error, KeystoreError::TooCostly { .. }), "{place} {value}: {error}");
        }
        let error = with("c", u64::from(PBKDF2_ROUNDS_MAX) + 1, pbkdf2_vector());
        assert!(matches!(error, KeystoreError::TooCostly { field: "c", .. }), "{error}");
        for (place, value) in [("n", 0), ("n", 1), ("n", 3), ("r", 0), ("p", 0), ("dklen", 16), ("dklen", 1 << 31)] {
            let error = with(place, value, scrypt_vector());
            assert!(matches!(error, KeystoreError::Field { .. }), "{place} {value}: {error}");
        }
    }

    #[test]
    fn what_the_standard_does_not_have_is_refused() {
        let mut other = scrypt_vector();
        other["version"] = 3.into();
        assert_eq!(parse(&other), Err(KeystoreError::Version { got: 3 }));
        for (place, value) in [
            ("/crypto/kdf/function", json!("argon2id")),
            ("/crypto/cipher/function", json!("aes-256-cbc")),
            ("/crypto/checksum/function", json!("crc32")),
            ("/crypto/kdf/params/salt", json!("xyz")),
            ("/uuid", json!("none")),
        ] {
            let mut other = scrypt_vector();
            *other.pointer_mut(place).unwrap() = value;
            assert!(matches!(parse(&other), Err(KeystoreError::Syntax(_))), "{place}");
        }
        for place in ["/crypto/cipher/params/iv", "/crypto/cipher/message", "/crypto/checksum/message"] {
            let mut other = scrypt_vector();
            *other.pointer_mut(place).unwrap() = json!("00");
            assert!(matches!(parse(&other), Err(KeystoreError::Field { .. })), "{place}");
        }
        let mut other = pbkdf2_vector();
        other["crypto"]["kdf"]["params"]["prf"] = "hmac-sha1".into();
        assert!(matches!(parse(&other), Err(KeystoreError::Field { .. })));
    }
}
