//! How often the procedure is wrong, and what it finds: simulated baselines and nights.
//!
//! Values are normal with a common part for the columns of a suite (`between`), and agree between
//! builds seed by seed (`pairing`), of which the procedure may know or not. A night is a change
//! without effect: a new draw of all values.

use super::*;
use frbench_base::rng::Stream;
use frbench_eval::stats::{BySeed, wilson};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
struct World {
    baselines: usize,
    nights: usize,
    /// Correlation of the columns.
    between: f64,
    /// Correlation of the values of a seed in two builds.
    pairing: f64,
    /// Whether the baseline knows it.
    known: bool,
    /// Loss of the first column, in standard deviations.
    drop: f64,
    /// Smallest step of a value, in standard deviations: accuracies are counts.
    step: f64,
}

const WORLD: World = World {
    baselines: 200,
    nights: 50,
    between: 0.5,
    pairing: 0.0,
    known: false,
    drop: 0.0,
    step: 0.0,
};

const SEEDS: u64 = 30;
const PER_NIGHT: u64 = 3;
/// Losses up to a quarter of a standard deviation are tolerated.
const TOLERANCE: f64 = 0.25;

/// For each baseline, which nights have regressed, and which in the first column.
struct Seen {
    any: Vec<Vec<bool>>,
    first: Vec<Vec<bool>>,
    /// Nights that drew further seeds.
    confirmed: usize,
}

impl World {
    fn values(&self, stream: &mut Stream) -> Vec<f64> {
        let common = stream.normal() * self.between.sqrt();
        let own = (1.0 - self.between).sqrt();
        let column = |_| common + own * stream.normal();
        (0..PRIMARIES).map(column).collect()
    }

    fn rounded(&self, value: f64) -> f64 {
        match self.step {
            0.0 => value,
            step => (value / step).round() * step,
        }
    }

    fn run(&self) -> Seen {
        let mut seen = Seen {
            any: Vec::new(),
            first: Vec::new(),
            confirmed: 0,
        };
        for b in 0..self.baselines {
            let mut stream = Stream::derive(23, "nights", &[b as u64]);
            let base: Vec<Vec<f64>> = (0..SEEDS).map(|_| self.values(&mut stream)).collect();
            let references: Vec<Reference> = (0..PRIMARIES)
                .map(|c| {
                    let value = |s: u64| (s, self.rounded(base[s as usize][c]));
                    let values: BySeed = (0..SEEDS).map(value).collect();
                    let correlation = if self.known { self.pairing } else { 0.0 };
                    Reference::new(values, true, TOLERANCE, correlation).unwrap()
                })
                .collect();
            let mut cusums = [Cusum::default(); PRIMARIES];
            let mut next = 0;
            let (mut any, mut first) = (Vec::new(), Vec::new());
            for _ in 0..self.nights {
                let mut draw = |n: u64| {
                    let seeds = (0..n).map(|_| {
                        next = (next + 1) % SEEDS;
                        let own = self.values(&mut stream);
                        let r = self.pairing;
                        let value = |(c, e): (usize, f64)| {
                            let paired = r * base[next as usize][c] + (1.0 - r * r).sqrt() * e;
                            self.rounded(paired - if c == 0 { self.drop } else { 0.0 })
                        };
                        (next, own.into_iter().enumerate().map(value).collect())
                    });
                    seeds.collect::<Vec<(u64, Vec<f64>)>>()
                };
                let of = |c: usize, night: &[(u64, Vec<f64>)]| {
                    let values = night.iter().map(|(s, v)| (*s, v[c]));
                    references[c].sample(&values.collect()).unwrap()
                };
                let night = draw(PER_NIGHT);
                let screened: Vec<Screening> = (0..PRIMARIES)
                    .map(|c| screen(&references[c], of(c, &night), cusums[c]))
                    .collect();
                let mut regressed = [false; PRIMARIES];
                for c in 0..PRIMARIES {
                    cusums[c] = screened[c].cusum;
                }
                if screened.iter().any(|s| s.suspect) {
                    seen.confirmed += 1;
                    let further = draw(CONFIRMING as u64);
                    for c in (0..PRIMARIES).filter(|c| screened[*c].suspect) {
                        let sample = of(c, &further);
                        let done = confirm(&references[c], &screened[c], sample, TOLERANCE);
                        cusums[c] = done.cusum;
                        regressed[c] = done.regressed;
                    }
                }
                any.push(regressed.contains(&true));
                first.push(regressed[0]);
            }
            seen.any.push(any);
            seen.first.push(first);
        }
        seen
    }

    /// Share of nights that have regressed, the upper 95 % limit of it, that of the worst tenth of
    /// the baselines, and that of nights that drew further seeds.
    fn alarms(&self) -> (f64, f64, f64, f64) {
        let seen = self.run();
        let nights = (self.baselines * self.nights) as u64;
        let of = |any: &Vec<bool>| any.iter().filter(|r| **r).count() as u64;
        let mut counts: Vec<u64> = seen.any.iter().map(of).collect();
        counts.sort_unstable();
        let all: u64 = counts.iter().sum();
        let tenth = (self.baselines / 10).max(1);
        let worst: u64 = counts.iter().rev().take(tenth).sum();
        (
            all as f64 / nights as f64,
            wilson(all, nights, 0.95).1,
            worst as f64 / (tenth * self.nights) as f64,
            seen.confirmed as f64 / nights as f64,
        )
    }

    /// Share of baselines on which the drop was found on some night.
    fn power(&self) -> f64 {
        let found = self.run().first;
        let found = found.iter().filter(|nights| nights.contains(&true)).count();
        found as f64 / self.baselines as f64
    }
}

const TWO: World = World {
    nights: 3,
    drop: 2.0,
    ..WORLD
};

const ONE: World = World {
    nights: 10,
    drop: 1.0,
    ..WORLD
};

/// A tenth of what METHODOLOGY.md states.
#[test]
fn a_night_without_effect_rarely_regresses_and_a_loss_is_found() {
    let world = World {
        baselines: 40,
        nights: 25,
        ..WORLD
    };
    let (share, _, _, confirmed) = world.alarms();
    assert!(share <= 0.015, "{share}");
    assert!(confirmed < 0.3, "{confirmed}");
    let fewer = |world: World| World {
        baselines: 40,
        ..world
    };
    assert!(fewer(TWO).power() >= 0.85);
    assert!(fewer(ONE).power() >= 0.6);
}

/// What METHODOLOGY.md states, written to docs/measurements.
#[test]
#[ignore = "a minute; writes the figures of METHODOLOGY.md"]
fn the_figures_of_the_methodology() {
    let mut lines = "# command: cargo test --release -p frbench-gate -- --ignored\n".to_string();
    lines += "between,pairing,known,step,regressed,upper,worst,confirmed,two,one\n";
    let mut most = (0.0f64, 0.0f64);
    let mut least = (1.0f64, 1.0f64);
    for (between, pairing, known, step) in [
        (0.0, 0.0, false, 0.0),
        (0.5, 0.0, false, 0.0),
        (0.9, 0.0, false, 0.0),
        (0.5, 0.4, false, 0.0),
        (0.5, 0.4, true, 0.0),
        (0.5, 0.8, true, 0.0),
        (0.5, 0.0, false, 0.5),
    ] {
        let in_world = |world: World| World {
            between,
            pairing,
            known,
            step,
            ..world
        };
        let (share, upper, worst, confirmed) = in_world(WORLD).alarms();
        let (two, one) = (in_world(TWO).power(), in_world(ONE).power());
        lines += &format!(
            "{between},{pairing},{},{step},{:.2},{:.2},{:.1},{:.0},{:.0},{:.0}\n",
            if known { "yes" } else { "no" },
            100.0 * share,
            100.0 * upper,
            100.0 * worst,
            100.0 * confirmed,
            100.0 * two,
            100.0 * one,
        );
        most = (most.0.max(share), most.1.max(upper));
        least = (least.0.min(two), least.1.min(one));
    }
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/measurements/nights.csv"
    );
    std::fs::write(file, lines).unwrap();
    assert!(most.0 <= 0.01 && most.1 <= 0.015, "{most:?}");
    assert!(least.0 >= 0.9 && least.1 >= 0.7, "{least:?}");
}
