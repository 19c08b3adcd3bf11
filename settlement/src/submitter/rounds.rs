//! Rounds, one after the other: an L1 that is down or talks nonsense costs a round, and rounds then back off.

use super::SubmitError;
use std::{future::Future, time::Duration};

/// A round that takes longer has failed.
const ROUND_TIMEOUT: Duration = Duration::from_secs(60);

/// Time between rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// While all is well.
    pub(crate) poll: Duration,
    /// The longest, after failures.
    pub(crate) backoff_max: Duration,
}

impl Pace {
    /// The pause after a round that failed, where the last one was `pause`.
    fn back_off(self, pause: Duration) -> Duration {
        pause.saturating_mul(2).min(self.backoff_max.max(self.poll))
    }
}

/// Something done in rounds.
pub(crate) trait Rounds: Send {
    /// Why a round failed.
    type Error: From<SubmitError> + Send;

    /// One round; `true` when no other is needed. Dropping it at any point is safe.
    fn round(&mut self) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Whether waiting cannot help.
    fn is_fatal(&self, error: &Self::Error) -> bool;

    /// Takes note of a round that failed, before the pause that follows.
    fn failed(&mut self, error: &Self::Error, pause: Duration);
}

/// Repeats rounds until none is needed (`true`) or `shutdown` is ready.
pub(crate) async fn repeat<R: Rounds>(
    rounds: &mut R,
    pace: Pace,
    shutdown: impl Future<Output = ()>,
) -> Result<bool, R::Error> {
    tokio::pin!(shutdown);
    let mut pause = pace.poll;
    loop {
        let round = tokio::time::timeout(ROUND_TIMEOUT, rounds.round());
        let outcome = tokio::select! {
            outcome = round => outcome.unwrap_or_else(|_| Err(SubmitError::Timeout { after: ROUND_TIMEOUT }.into())),
            () = &mut shutdown => return Ok(false),
        };
        match outcome {
            Ok(true) => return Ok(true),
            Ok(false) => pause = pace.poll,
            Err(error) if rounds.is_fatal(&error) => return Err(error),
            Err(error) => {
                pause = pace.back_off(pause);
                rounds.failed(&error, pause);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = &mut shutdown => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_without_an_l1_costs_few_rounds() {
        let pace = Pace { poll: Duration::from_secs(4), backoff_max: Duration::from_secs(60) };
        let (mut pause, mut waited, mut rounds) = (pace.poll, Duration::ZERO, 0);
        while waited < Duration::from_secs(3600) {
            pause = pace.back_off(pause);
            waited += pause;
            rounds += 1;
        }
        assert_eq!(rounds, 63);
        let impatient = Pace { poll: Duration::from_secs(90), ..pace };
        assert_eq!(impatient.back_off(impatient.poll), impatient.poll, "never more often than when all is well");
    }
}
