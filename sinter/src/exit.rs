//! How the program ends: one line that says what went wrong down to the cause, and an exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done, and everything that was to be shown held |
//! | 1 | it did not work: a node stopped, a server did not answer, something accepted was not finalized |
//! | 2 | the command line, a configuration or a file is wrong: nothing was started |
//! | 3 | a receipt or a range was checked, and does not hold; or the L1 refuses what was to be sent |

use sinter_rollup_node::causes;
use std::{
    error::Error,
    fmt,
    io::{self, Write},
    process::ExitCode,
};

/// Why the program ends with a code other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It did not work.
    Failed = 1,
    /// The input is wrong.
    Usage = 2,
    /// A proof does not hold, or the L1 refuses.
    Refused = 3,
}

/// An error as a person reads it.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// Ends with `exit` because of `message`.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into() }
    }

    /// Ends with `exit`: `what` was being done when `error` came, whose causes are named too.
    pub fn because(exit: Exit, what: impl fmt::Display, error: &dyn Error) -> Self {
        let what = what.to_string();
        let message = if what.is_empty() { causes(error) } else { format!("{what}: {}", causes(error)) };
        Self { exit, message }
    }

    /// The code that the process ends with.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// `.or_fail(Exit::Failed, "reading x")` on results.
pub trait OrFail<T> {
    /// Turns the error into a [`Failure`] that says what was being done.
    ///
    /// # Errors
    /// The failure.
    fn or_fail(self, exit: Exit, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Error> OrFail<T> for Result<T, E> {
    fn or_fail(self, exit: Exit, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::because(exit, what, &error))
    }
}

/// Prints a line to standard output. A reader that went away is no failure of ours: whoever writes to it
/// stops, and ends well.
///
/// # Errors
/// Whatever the system says, [`io::ErrorKind::BrokenPipe`] among it.
pub fn print_line(text: impl fmt::Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// As [`print_line`], where a reader that went away means that nothing is left to do.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn print_result(text: impl fmt::Display) -> Result<(), Failure> {
    match print_line(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::because(Exit::Failed, "writing to standard output", &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|layer| layer as &dyn Error)
        }
    }

    #[test]
    fn causes_are_told_once() {
        let error = Layer("cannot open x: gone", Some(Box::new(Layer("gone", Some(Box::new(Layer("disk", None)))))));
        let failure = Failure::because(Exit::Usage, "starting", &error);
        assert_eq!(failure.to_string(), "starting: cannot open x: gone: disk");
    }
}
