//! Where the passphrase of a keystore comes from: a file that only its owner reads, a systemd credential, or who sits at the
//! terminal, in that order. Never the command line or the environment, which other processes can see.

use crate::keys::KEY_FILE_MODE;
use std::{
    env,
    fs::File,
    io::{self, IsTerminal as _, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Set by systemd to the directory of a unit's credentials, which only the unit can read.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
/// The credential's name: `LoadCredential=bls-passphrase:…`.
pub const CREDENTIAL: &str = "bls-passphrase";
/// Longest passphrase, with the end of its line.
const PASSPHRASE_BYTES_MAX: u64 = 1024;

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file could not be read.
    #[error("passphrase file {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("passphrase file {path}: expected mode 0600, got {got:04o}")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        got: u32,
    },
    /// It is not one line.
    #[error("passphrase file {path}: expected one line of at most {PASSPHRASE_BYTES_MAX} bytes, got {got}")]
    Text {
        /// The file.
        path: PathBuf,
        /// What is there, without showing it.
        got: &'static str,
    },
    /// Nobody can be asked.
    #[error(
        "passphrase: expected a passphrase file, the systemd credential `{CREDENTIAL}`, or a terminal to ask at, \
         got none of them"
    )]
    Nowhere,
    /// The terminal could not be read.
    #[error("passphrase: asking at the terminal: {0}")]
    Terminal(io::Error),
    /// Nothing was typed.
    #[error("passphrase: expected at least one character, got none")]
    Empty,
    /// What was typed the second time is something else.
    #[error("passphrase: expected the same twice, got two")]
    Differ,
}

/// The passphrase that opens `what`.
///
/// # Errors
/// [`PassphraseError`].
pub fn existing(file: Option<&Path>, what: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    match stored(file, env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from))? {
        Some(passphrase) => Ok(passphrase),
        None => ask(&format!("passphrase of {}: ", what.display())),
    }
}

/// The passphrase that will open `what`: at a terminal it is asked for twice.
///
/// # Errors
/// [`PassphraseError`].
pub fn new(file: Option<&Path>, what: &Path) -> Result<Zeroizing<String>, PassphraseError> {
    if let Some(passphrase) = stored(file, env::var_os(CREDENTIALS_DIRECTORY).map(PathBuf::from))? {
        return Ok(passphrase);
    }
    let passphrase = ask(&format!("new passphrase for {}: ", what.display()))?;
    if *ask("the same again: ")? == *passphrase { Ok(passphrase) } else { Err(PassphraseError::Differ) }
}

fn stored(file: Option<&Path>, credentials: Option<PathBuf>) -> Result<Option<Zeroizing<String>>, PassphraseError> {
    if let Some(file) = file {
        return read(file, true).map(Some);
    }
    let Some(credential) = credentials.map(|directory| directory.join(CREDENTIAL)) else { return Ok(None) };
    match read(&credential, false) {
        // The unit may have other credentials.
        Err(PassphraseError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Reads one line. systemd gives credentials modes of its own, and sees to who can read them.
fn read(path: &Path, check_mode: bool) -> Result<Zeroizing<String>, PassphraseError> {
    let failed = |source| PassphraseError::Io { path: path.into(), source };
    let text = |got| PassphraseError::Text { path: path.into(), got };
    let file = File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if check_mode && mode != KEY_FILE_MODE {
        return Err(PassphraseError::Mode { path: path.into(), got: mode });
    }
    // Whole at once: a string that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PASSPHRASE_BYTES_MAX as usize + 1));
    file.take(PASSPHRASE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > PASSPHRASE_BYTES_MAX {
        return Err(text("more"));
    }
    let line = std::str::from_utf8(&bytes).map_err(|_| text("bytes that are not UTF-8"))?;
    let line = line.trim_end_matches(['\r', '\n']);
    match line {
        "" => Err(text("an empty one")),
        line if line.contains('\n') => Err(text("several")),
        line => Ok(Zeroizing::new(line.to_owned())),
    }
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, PassphraseError> {
    if !io::stdin().is_terminal() {
        return Err(PassphraseError::Nowhere);
    }
    let passphrase = Zeroizing::new(rpassword::prompt_password(prompt).map_err(PassphraseError::Terminal)?);
    if passphrase.is_empty() { Err(PassphraseError::Empty) } else { Ok(passphrase) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs;

    fn file(dir: &Path, name: &str, text: &[u8], mode: u32) -> PathBuf {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn a_file_comes_before_a_credential() {
        let dir = tempfile::tempdir().unwrap();
        let named = file(dir.path(), "named", b"from the file\r\n", 0o600);
        file(dir.path(), CREDENTIAL, b"from systemd", 0o440);
        let credentials = Some(dir.path().to_path_buf());
        assert_eq!(stored(Some(&named), credentials.clone()).unwrap().unwrap().as_str(), "from the file");
        assert_eq!(stored(None, credentials).unwrap().unwrap().as_str(), "from systemd");
        // Other credentials of the unit are no passphrase.
        let empty = tempfile::tempdir().unwrap();
        assert!(stored(None, Some(empty.path().into())).unwrap().is_none());
    }

    #[test]
    fn a_file_that_others_read_or_that_is_no_line_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = stored(Some(&file(dir.path(), "open", b"word", 0o640)), None).unwrap_err();
        assert!(error.to_string().ends_with("expected mode 0600, got 0640"), "{error}");
        for text in [b"".as_slice(), b"\n", b"two\nlines", b"\xff", &[b'a'; 1025]] {
            let error = stored(Some(&file(dir.path(), "odd", text, 0o600)), None).unwrap_err();
            assert!(matches!(error, PassphraseError::Text { .. }), "{error}");
        }
        // A file that was named and is not there is an error, and not a question at the terminal.
        assert!(matches!(stored(Some(&dir.path().join("none")), None), Err(PassphraseError::Io { .. })));
    }
}
