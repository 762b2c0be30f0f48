//! Asking a run to stop: at the next step it checkpoints and returns.

use frbench_base::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A flag that signals set and jobs watch. Clones share the flag.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicUsize>);

const INTERRUPTED: usize = 1;
const PREEMPTED: usize = 2;

impl Stop {
    /// A flag that SIGINT (stop here), SIGTERM and SIGUSR1 (stop and requeue) set. A second
    /// SIGINT ends the process at once.
    pub fn on_signals() -> Result<Self> {
        let stop = Stop::default();
        #[cfg(unix)]
        {
            use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
            let failed = |e| Error::Bug(format!("cannot install a signal handler: {e}"));
            let impatient = Arc::new(std::sync::atomic::AtomicBool::new(false));
            // Order matters: the shutdown condition is checked before the flag is armed.
            signal_hook::flag::register_conditional_shutdown(SIGINT, 130, impatient.clone())
                .map_err(failed)?;
            signal_hook::flag::register(SIGINT, impatient).map_err(failed)?;
            signal_hook::flag::register_usize(SIGINT, stop.0.clone(), INTERRUPTED)
                .map_err(failed)?;
            for signal in [SIGTERM, SIGUSR1] {
                signal_hook::flag::register_usize(signal, stop.0.clone(), PREEMPTED)
                    .map_err(failed)?;
            }
        }
        Ok(stop)
    }

    /// Ask to stop, as SIGINT does.
    pub fn interrupt(&self) {
        self.0.store(INTERRUPTED, Ordering::Relaxed);
    }

    pub fn requested(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// An error if a stop was requested; `what` says what was left unfinished, and what is done is
    /// kept.
    pub fn check(&self, what: &str) -> Result<()> {
        self.told(what, "the same command resumes")
    }

    /// The same of work of which nothing is kept.
    pub fn check_anew(&self, what: &str) -> Result<()> {
        self.told(what, "the same command begins again")
    }

    fn told(&self, what: &str, then: &str) -> Result<()> {
        match self.0.load(Ordering::Relaxed) {
            0 => Ok(()),
            PREEMPTED => Err(Error::Preempted(format!(
                "stopped on request of the scheduler: {what}; {then}"
            ))),
            _ => Err(Error::Incomplete(format!("interrupted: {what}; {then}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_ways_to_stop_have_their_own_exit_codes() {
        let stop = Stop::default();
        assert!(stop.check("x").is_ok());
        stop.clone().interrupt();
        assert!(stop.requested());
        assert_eq!(stop.check("x").unwrap_err().exit_code(), 4);
        let anew = stop.check_anew("x").unwrap_err().to_string();
        assert!(anew.ends_with("x; the same command begins again"), "{anew}");
        stop.0.store(PREEMPTED, Ordering::Relaxed);
        assert_eq!(stop.check("x").unwrap_err().exit_code(), 75);
    }
}
