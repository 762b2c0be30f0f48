//! Under which conditions the pictures of each twin are taken.

use super::super::condition::{Age, Pose, Profile};
use super::SEED;
use super::table::Purpose;
use frbench_base::rng::Stream;

/// From what the condition of image `i` is drawn.
pub(super) fn profile(purpose: Purpose, i: u64) -> Profile {
    let adult = Age::Between(20.0, 70.0);
    match purpose {
        Purpose::Train | Purpose::NoisyTrain | Purpose::Outliers => Profile {
            pose: Pose::Wild,
            age: adult,
            nuisance: 1.0,
        },
        Purpose::Lfw => Profile {
            pose: Pose::Around {
                spread: 13.0,
                limit: 35.0,
            },
            age: Age::Between(22.0, 58.0),
            nuisance: 0.9,
        },
        Purpose::CfpFp => Profile {
            pose: if i.is_multiple_of(2) {
                Pose::Around {
                    spread: 6.0,
                    limit: 12.0,
                }
            } else {
                Pose::Side {
                    low: 60.0,
                    high: 90.0,
                }
            },
            age: Age::Between(25.0, 55.0),
            nuisance: 0.8,
        },
        Purpose::AgeDb => {
            // Both pictures of a pair know the younger age.
            let mut s = Stream::derive(SEED, "synth-age", &[i / 2]);
            let young = s.range(18.0, 45.0) as f32;
            let old_first = s.chance(0.5);
            let old = i.is_multiple_of(2) == old_first;
            Profile {
                pose: Pose::Around {
                    spread: 14.0,
                    limit: 40.0,
                },
                age: Age::Exactly(if old { young + 30.0 } else { young }),
                nuisance: 1.0,
            }
        }
        Purpose::Megaface | Purpose::Rfw | Purpose::Watchlist => Profile {
            pose: Pose::Around {
                spread: 15.0,
                limit: 45.0,
            },
            age: adult,
            nuisance: 0.9,
        },
        Purpose::Ijb => Profile {
            pose: Pose::Around {
                spread: 25.0,
                limit: 70.0,
            },
            age: adult,
            nuisance: 1.0,
        },
        Purpose::TinyFace => Profile {
            pose: Pose::Around {
                spread: 22.0,
                limit: 60.0,
            },
            age: adult,
            nuisance: 1.0,
        },
    }
}
