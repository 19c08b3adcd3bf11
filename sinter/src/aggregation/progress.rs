//! What a batch is doing: a bar on a terminal, lines in a pipe, both on standard error.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sinter_prover::aggregate::{Event, folds};
use std::{
    io::{IsTerminal, stderr},
    time::Duration,
};

/// How often the bar's clock moves.
const TICK: Duration = Duration::from_millis(200);

/// What a batch is doing.
pub struct Progress {
    leaves: u64,
    /// None in a pipe.
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Of a batch of so many leaves.
    pub fn new(leaves: u64) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let null = u64::from(leaves == 1);
            let bar = ProgressBar::with_draw_target(Some(leaves + null + folds(leaves)), ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {wide_bar} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { leaves, bar }
    }

    /// Of steps that are named as they come.
    pub fn steps() -> Self {
        let bar = stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {spinner} {msg}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(TICK);
            bar
        });
        Self { leaves: 0, bar }
    }

    /// What is being done now.
    pub fn say(&self, what: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(what.to_owned()),
            None => eprintln!("{what}"),
        }
    }

    /// What was done.
    pub fn show(&self, event: &Event) {
        let line = line(event, self.leaves);
        match &self.bar {
            None => eprintln!("{line}"),
            Some(bar) if matches!(event, Event::Discarded { .. }) => bar.println(line),
            Some(bar) => {
                bar.inc(1);
                bar.set_message(line);
            }
        }
    }

    /// Nothing more is done.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    /// An error is printed where the bar was.
    fn drop(&mut self) {
        self.finish();
    }
}

/// An event on one line.
fn line(event: &Event, leaves: u64) -> String {
    let time = |found: &bool, took: &Duration| match found {
        true => "was there, and holds".to_owned(),
        false => format!("{:.2} s", took.as_secs_f64()),
    };
    match event {
        Event::Wrapped { leaf, found, took } => format!("wrapped {} of {leaves}: {}", leaf + 1, time(found, took)),
        Event::Folded { first, leaves, found, took } => {
            format!("folded {} to {}: {}", first + 1, first + leaves, time(found, took))
        }
        Event::Null { found, took } => format!("the null statement: {}", time(found, took)),
        Event::Discarded { name, reason } => format!("{name} does not hold, and is made again: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line() {
        let took = Duration::from_millis(1234);
        assert_eq!(line(&Event::Wrapped { leaf: 2, found: false, took }, 16), "wrapped 3 of 16: 1.23 s");
        let folded = Event::Folded { first: 4, leaves: 4, found: true, took };
        assert_eq!(line(&folded, 16), "folded 5 to 8: was there, and holds");
        let discarded = Event::Discarded { name: "fold-00".into(), reason: "torn".into() };
        assert_eq!(line(&discarded, 16), "fold-00 does not hold, and is made again: torn");
    }
}
