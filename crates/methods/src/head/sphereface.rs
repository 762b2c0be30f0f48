//! SphereFace (Liu et al., CVPR 2017, eq. 7): a multiplicative angular margin, annealed.
//!
//! `psi(theta) = (-1)^k cos(m theta) - 2 k` with `k = floor(m theta / pi)` continues
//! `cos(m theta)` monotonically; the target is `(lambda cos(theta) + psi(theta)) / (1 + lambda)`
//! with `lambda = max(floor, base (1 + gamma i)^-power)` at the i-th step, counted from 1.

use super::margin::{Cosines, Margined, plain, sine, wrong_state};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use candle_core::D;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;
use std::collections::BTreeMap;
use std::f64::consts::PI;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "sphereface",
        summary: "multiplicative angular margin, annealed over steps",
        source: "Liu et al., CVPR 2017, eq. 7; annealing as in SV-X-Softmax `fc_layers.py` or \
                 face.evoLVe, whose constants differ",
        params: &[
            Param {
                name: "magnitude",
                kind: Kind::Choice(&["scale", "norm"]),
                required: true,
                doc: "what multiplies the cosines: \"norm\", the embedding's length (the paper), \
                      or \"scale\", the constant `s` (SV-X-Softmax)",
            },
            Param {
                name: "s",
                kind: Kind::Float {
                    min: 1.0,
                    max: 1000.0,
                },
                required: false,
                doc: "scale of the cosines, where `magnitude` is \"scale\"",
            },
            Param {
                name: "m",
                kind: Kind::Int { min: 1, max: 8 },
                required: true,
                doc: "factor on the angle; 4 in the paper",
            },
            Param {
                name: "lambda_base",
                kind: Kind::Float { min: 0.0, max: 1e6 },
                required: true,
                doc: "weight of the plain cosine at the start; 1000",
            },
            Param {
                name: "lambda_gamma",
                kind: Kind::Float { min: 0.0, max: 1e3 },
                required: true,
                doc: "how fast it falls; 1e-4 in SV-X-Softmax, 0.12 in face.evoLVe",
            },
            Param {
                name: "lambda_power",
                kind: Kind::Float {
                    min: 0.0,
                    max: 10.0,
                },
                required: true,
                doc: "with which power it falls; 2 in SV-X-Softmax, 1 in face.evoLVe",
            },
            Param {
                name: "lambda_min",
                kind: Kind::Float { min: 0.0, max: 1e6 },
                required: true,
                doc: "where it stops; 5",
            },
        ],
    },
    proof: Proof::Recomputed,
    presets: &[
        Preset {
            name: "sv-x-softmax",
            source: "SV-X-Softmax fc_layers.py (annealing); s and m are the caller's",
            params: r#"{"magnitude": "scale", "s": 32, "m": 4, "lambda_base": 1000, "lambda_gamma": 1e-4, "lambda_power": 2, "lambda_min": 5}"#,
        },
        Preset {
            name: "evolve",
            source: "ZhaoJ9014/face.evoLVe head/metrics.py",
            params: r#"{"magnitude": "norm", "m": 4, "lambda_base": 1000, "lambda_gamma": 0.12, "lambda_power": 1, "lambda_min": 5}"#,
        },
    ],
    build,
};

struct SphereFace {
    /// None: the embedding's norm.
    scale: Option<f64>,
    factor: f64,
    base: f64,
    gamma: f64,
    power: f64,
    floor: f64,
    /// Steps taken.
    iteration: f64,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    let scale = match (args.text("magnitude")?, spec.params.contains_key("s")) {
        ("scale", _) => Some(args.f64("s")?),
        (_, false) => None,
        (_, true) => {
            return Err(Error::Usage(
                "`sphereface`: `s` has no effect where `magnitude` is \"norm\"; leave it out"
                    .into(),
            ));
        }
    };
    Ok(Box::new(SphereFace {
        scale,
        factor: args.f64("m")?,
        base: args.f64("lambda_base")?,
        gamma: args.f64("lambda_gamma")?,
        power: args.f64("lambda_power")?,
        floor: args.f64("lambda_min")?,
        iteration: 0.0,
    }))
}

impl SphereFace {
    fn lambda(&self) -> f64 {
        let falling = libm::pow(1.0 + self.gamma * self.iteration, -self.power);
        (self.base * falling).max(self.floor)
    }

    fn target(&self, c: f64, lambda: f64) -> Margined {
        let angle = self.factor * libm::acos(c.clamp(-1.0, 1.0));
        let k = (angle / PI).floor();
        let sign = if k % 2.0 == 0.0 { 1.0 } else { -1.0 };
        let psi = sign * libm::cos(angle) - 2.0 * k;
        let slope = sign * self.factor * libm::sin(angle) / sine(c).1;
        Margined {
            value: (lambda * c + psi) / (1.0 + lambda),
            slope: (lambda + slope) / (1.0 + lambda),
        }
    }
}

impl Head for SphereFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        self.iteration += 1.0;
        let lambda = self.lambda();
        let cosines = Cosines::of(input)?;
        let scale = self.scale.unwrap_or(1.0);
        let targets = cosines.targets(scale, |c| self.target(c, lambda));
        let mut logits = cosines.logits(targets, plain(scale), None)?;
        if self.scale.is_none() {
            let norm = input.embeddings.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?;
            logits = logits.broadcast_mul(&norm)?;
        }
        cosines.loss(logits)
    }

    fn state(&self) -> BTreeMap<String, Vec<f64>> {
        BTreeMap::from([("iteration".into(), vec![self.iteration])])
    }

    fn restore(&mut self, state: &BTreeMap<String, Vec<f64>>) -> Result<()> {
        match state.get("iteration").map(Vec::as_slice) {
            Some(&[iteration]) => self.iteration = iteration,
            _ => return Err(wrong_state(ENTRY.info.name, "iteration")),
        }
        Ok(())
    }
}
