//! ElasticFace (Boutros et al., CVPR Workshops 2022, eq. 4 to 6): every sample draws its
//! margin from a normal distribution in every step.
//!
//! The `+` form gives larger margins to samples that are further from their class. The released
//! code sorts the margins and reads them at the sorting order of the cosines, not at the rank;
//! both are here, by name.

use super::angular::Angular;
use super::margin::{Cosines, Margined, SCALE};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::rng::Stream;
use frbench_job::HeadSpec;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "elasticface",
        summary: "ArcFace or CosFace with a margin drawn per sample and step",
        source: "Boutros et al., CVPR Workshops 2022, eq. 4 to 6, as in the authors' `losses.py`",
        params: &[
            SCALE,
            Param {
                name: "form",
                kind: Kind::Choice(&["arc", "cos"]),
                required: true,
                doc: "whether the margin is on the angle, without a guard, or on the cosine",
            },
            Param {
                name: "m",
                kind: Kind::Float { min: 0.0, max: 1.5 },
                required: true,
                doc: "mean of the margin; 0.5 (arc), 0.35 (cos)",
            },
            Param {
                name: "sigma",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "its standard deviation; 0.05 in the paper's arc form, 0.0125 in its + form \
                      and as the code's default",
            },
            Param {
                name: "plus",
                kind: Kind::Choice(&["none", "released", "ranked"]),
                required: true,
                doc: "ElasticFace+: \"released\" as the code assigns sorted margins, \"ranked\" \
                      the smaller the cosine the larger the margin",
            },
        ],
    },
    proof: Proof::Recomputed,
    presets: &[
        Preset {
            name: "arc",
            source: "fdbtrs/ElasticFace config/config.py",
            params: r#"{"s": 64, "form": "arc", "m": 0.5, "sigma": 0.05, "plus": "none"}"#,
        },
        Preset {
            name: "cos-class-default",
            source: "fdbtrs/ElasticFace utils/losses.py",
            params: r#"{"s": 64, "form": "cos", "m": 0.35, "sigma": 0.0125, "plus": "none"}"#,
        },
    ],
    build,
};

#[derive(Clone, Copy, PartialEq)]
enum Plus {
    None,
    Released,
    Ranked,
}

struct ElasticFace {
    scale: f64,
    arc: bool,
    mean: f64,
    sigma: f64,
    plus: Plus,
    seed: u64,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(ElasticFace {
        scale: args.f64("s")?,
        arc: args.text("form")? == "arc",
        mean: args.f64("m")?,
        sigma: args.f64("sigma")?,
        plus: match args.text("plus")? {
            "released" => Plus::Released,
            "ranked" => Plus::Ranked,
            _ => Plus::None,
        },
        seed: 0,
    }))
}

impl ElasticFace {
    /// The margin of each sample: a function of seed and step, and in the + forms of the
    /// order of the target cosines.
    fn margins(&self, step: u64, target: &[f64]) -> Vec<f64> {
        let mut stream = Stream::derive(self.seed, "head/elasticface", &[step]);
        let mut drawn: Vec<f64> = target
            .iter()
            .map(|_| self.mean + self.sigma * stream.normal())
            .collect();
        if self.plus == Plus::None {
            return drawn;
        }
        drawn.sort_by(f64::total_cmp);
        // Samples by descending cosine.
        let mut order: Vec<usize> = (0..target.len()).collect();
        order.sort_by(|&a, &b| target[b].total_cmp(&target[a]));
        if self.plus == Plus::Released {
            return order.iter().map(|&i| drawn[i]).collect();
        }
        let mut margins = vec![0.0; target.len()];
        for (rank, &sample) in order.iter().enumerate() {
            margins[sample] = drawn[rank];
        }
        margins
    }

    fn target(&self, c: f64, margin: f64) -> Margined {
        if !self.arc {
            return Margined {
                value: c - margin,
                slope: 1.0,
            };
        }
        Angular::new(margin, false).unguarded(c)
    }
}

impl Head for ElasticFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let cosines = Cosines::of(input)?;
        let margins = self.margins(input.step, &cosines.target);
        let targets = cosines.target.iter().zip(&margins);
        let targets = targets
            .map(|(&c, &margin)| self.target(c, margin).scaled(self.scale))
            .collect();
        cosines.plain_softmax(targets, self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(plus: Plus) -> ElasticFace {
        ElasticFace {
            scale: 64.0,
            arc: true,
            mean: 0.5,
            sigma: 0.05,
            plus,
            seed: 3,
        }
    }

    #[test]
    fn margins_follow_seed_and_step_alone() {
        let target = [0.1, 0.9, 0.4, -0.2];
        let of = |seed, step| {
            let mut head = head(Plus::None);
            head.seed = seed;
            head.margins(step, &target)
        };
        assert_eq!(of(3, 7), of(3, 7));
        assert_ne!(of(3, 7), of(3, 8));
        assert_ne!(of(3, 7), of(4, 7));
        let many = head(Plus::None).margins(1, &vec![0.0; 20_000]);
        let mean = many.iter().sum::<f64>() / 20_000.0;
        let var = many.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!((mean - 0.5).abs() < 0.002 && (var.sqrt() - 0.05).abs() < 0.002);
    }

    #[test]
    fn the_plus_forms_hand_out_the_same_margins() {
        let target = [0.1, 0.9, 0.4, -0.2];
        let mut sorted = head(Plus::None).margins(5, &target);
        sorted.sort_by(f64::total_cmp);
        // Descending cosines: samples 1, 2, 0, 3.
        let ranked = head(Plus::Ranked).margins(5, &target);
        assert_eq!(ranked, [sorted[2], sorted[0], sorted[1], sorted[3]]);
        let released = head(Plus::Released).margins(5, &target);
        assert_eq!(released, [sorted[1], sorted[2], sorted[0], sorted[3]]);
    }
}
