//! How long the rest of a run takes.
//!
//! Costs of jobs are operations, and those of different kinds take different times: a face is rendered
//! at another pace than a network is run. Jobs go at the pace of their kind, as far as it is known from
//! those of this process, else at the pace of all.

use crate::plan::Kind;
use std::collections::BTreeMap;

/// What is to be done and what was done, by the kind of job.
#[derive(Default)]
pub struct Pace(BTreeMap<Kind, Share>);

#[derive(Clone, Copy, Default)]
struct Share {
    /// Cost of jobs that are not done.
    open: f64,
    /// Cost of work that was done here, and the seconds that it took.
    done: f64,
    seconds: f64,
}

/// Of the job that runs.
#[derive(Clone, Copy)]
pub struct Running {
    pub kind: Kind,
    pub cost: f64,
    /// Shares of it that are done, in all and by this process.
    pub share: f64,
    pub fresh: f64,
    pub seconds: f64,
}

impl Pace {
    /// These jobs are to be done, and no others.
    pub fn plan(&mut self, jobs: impl Iterator<Item = (Kind, f64)>) {
        self.0.values_mut().for_each(|share| share.open = 0.0);
        for (kind, cost) in jobs {
            self.0.entry(kind).or_default().open += cost;
        }
    }

    /// A job is done, the share `fresh` of it by this process.
    pub fn finish(&mut self, kind: Kind, cost: f64, (fresh, seconds): (f64, f64)) {
        let share = self.0.entry(kind).or_default();
        share.open = (share.open - cost).max(0.0);
        share.done += cost * fresh;
        share.seconds += seconds;
    }

    /// Seconds until all is done; none as long as nothing is known.
    pub fn left(&self, running: Option<Running>) -> Option<f64> {
        let mut kinds = self.0.clone();
        if let Some(running) = running {
            let share = kinds.entry(running.kind).or_default();
            share.open = (share.open - running.cost * running.share).max(0.0);
            share.done += running.cost * running.fresh;
            share.seconds += running.seconds;
        }
        let sum = |of: fn(&Share) -> f64| kinds.values().map(of).sum::<f64>();
        let (done, seconds) = (sum(|s| s.done), sum(|s| s.seconds));
        if done <= 0.0 || seconds <= 0.0 {
            return None;
        }
        let left = |share: &Share| match share.done > 0.0 && share.seconds > 0.0 {
            true => share.open * share.seconds / share.done,
            false => share.open * seconds / done,
        };
        Some(kinds.values().map(left).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_goes_at_its_own_pace() {
        let mut pace = Pace::default();
        assert_eq!(pace.left(None), None);
        let jobs = [
            (Kind::Data, 10.0),
            (Kind::Embed, 100.0),
            (Kind::Embed, 100.0),
        ];
        pace.plan(jobs.into_iter());
        pace.finish(Kind::Data, 10.0, (1.0, 5.0));
        // Nothing is known of embedding.
        assert_eq!(pace.left(None), Some(100.0));
        let running = Running {
            kind: Kind::Embed,
            cost: 100.0,
            share: 0.75,
            fresh: 0.25,
            seconds: 1.0,
        };
        assert_eq!(pace.left(Some(running)), Some(5.0));
        pace.finish(Kind::Embed, 100.0, (0.5, 2.0));
        assert_eq!(pace.left(None), Some(4.0));
        // What was learned stays in the next round.
        pace.plan([(Kind::Embed, 50.0)].into_iter());
        assert_eq!(pace.left(None), Some(2.0));
    }
}
