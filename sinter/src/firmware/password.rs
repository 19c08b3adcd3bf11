//! A BMC's password: from a file that nobody else can read, or from the terminal. Never from the command line, which every process
//! of the machine can see.

use crate::exit::{Exit, Failure, OrFail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::fs::MetadataExt,
    path::Path,
};
use zeroize::Zeroizing;

/// Longest password, with the end of its line.
const PASSWORD_BYTES_MAX: u64 = 1024;
/// What Ctrl-C is, while the terminal does not make a signal of it.
const CTRL_C: char = '\u{3}';

/// The password of `user`.
///
/// # Errors
/// When the file is others' to read, or holds none; when there is neither a file nor a terminal.
pub fn read(file: Option<&Path>, user: &str) -> Result<Zeroizing<String>, Failure> {
    let text = match file {
        Some(file) => from_file(file)?,
        None => from_terminal(user).or_fail(Exit::Usage, "no --password-file, and no terminal to ask")?,
    };
    let password = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if password.is_empty() || password.contains(['\n', CTRL_C]) {
        return Err(Failure::new(Exit::Usage, "expected a password of one line"));
    }
    Ok(password)
}

fn from_file(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let what = format!("--password-file: {}", file.display());
    let opened = File::open(file).or_fail(Exit::Usage, &what)?;
    let metadata = opened.metadata().or_fail(Exit::Usage, &what)?;
    if metadata.is_file() && metadata.mode() & 0o077 != 0 {
        let message = format!("{what}: mode {:o} lets others read it: chmod 600", metadata.mode() & 0o777);
        return Err(Failure::new(Exit::Usage, message));
    }
    let mut text = Zeroizing::new(String::new());
    opened.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).or_fail(Exit::Usage, what)?;
    Ok(text)
}

/// A terminal that shows what is typed again when this goes.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut quiet = before.clone();
        // Without signals: one would end the program and leave the terminal silent.
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // Nothing better can be done when the terminal is gone.
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

fn from_terminal(user: &str) -> io::Result<Zeroizing<String>> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    write!(&terminal, "password of {user}: ")?;
    let mut line = Zeroizing::new(String::new());
    {
        let _quiet = Quiet::new(&terminal)?;
        BufReader::new((&terminal).take(PASSWORD_BYTES_MAX)).read_line(&mut line)?;
    }
    writeln!(&terminal)?;
    Ok(line)
}

/// A file's bytes, if they are not too many.
///
/// # Errors
/// When it cannot be read, or is longer.
pub fn bounded(file: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let opened = File::open(file).or_fail(Exit::Usage, file.display())?;
    opened.take(bytes_max + 1).read_to_end(&mut bytes).or_fail(Exit::Usage, file.display())?;
    if bytes.len() as u64 > bytes_max {
        let message = format!("{}: expected at most {bytes_max} bytes", file.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_password_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "secret word\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = read(Some(&file), "root").unwrap_err().to_string();
        assert!(error.contains("mode 640 lets others read it: chmod 600"), "{error}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read(Some(&file), "root").unwrap().as_str(), "secret word");
    }

    #[test]
    fn a_password_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        for text in ["", "\n", "two\nlines\n"] {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            assert!(read(Some(&file), "root").is_err(), "{text:?}");
        }
    }
}
