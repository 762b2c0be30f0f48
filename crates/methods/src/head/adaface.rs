//! AdaFace (Kim et al., CVPR 2022, eq. 10 to 13): the margin follows the embedding's norm, a
//! proxy of image quality.
//!
//! `q = clip(h (|x| - mean) / (std + 1e-3), -1, 1)` with moving averages of the batch's mean
//! and unbiased standard deviation, updated before use and without a gradient; the target is
//! `cos(theta - m q) - (m + m q)`. Cosines are clamped to `1 - 1e-3`, norms to [0.001, 100] and
//! the margined angle to [1e-3, pi - 1e-3], as in the authors' code.

use super::margin::{Cosines, Margined, SCALE, sine, wrong_state};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use candle_core::{D, DType};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;
use std::collections::BTreeMap;
use std::f64::consts::PI;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "adaface",
        summary: "angular and cosine margin that follow the embedding's norm",
        source: "Kim et al., CVPR 2022, eq. 10 to 13, as in the authors' `head.py`",
        params: &[
            SCALE,
            Param {
                name: "m",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "margin; 0.4 in the paper",
            },
            Param {
                name: "h",
                kind: Kind::Float {
                    min: 0.0,
                    max: 10.0,
                },
                required: true,
                doc: "concentration of the norms; 0.333 in the paper",
            },
            Param {
                name: "t_alpha",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "weight of a batch in the moving averages; 0.01 in the recipes, 1 as the \
                      default of the authors' class",
            },
        ],
    },
    proof: Proof::Recomputed,
    presets: &[
        Preset {
            name: "recipe",
            source: "mk-minchul/AdaFace, training scripts",
            params: r#"{"s": 64, "m": 0.4, "h": 0.333, "t_alpha": 0.01}"#,
        },
        Preset {
            name: "class-default",
            source: "mk-minchul/AdaFace head.py",
            params: r#"{"s": 64, "m": 0.4, "h": 0.333, "t_alpha": 1.0}"#,
        },
    ],
    build,
};

const EPS: f64 = 1e-3;

struct AdaFace {
    scale: f64,
    margin: f64,
    h: f64,
    t_alpha: f64,
    /// Moving averages of the norms' mean and standard deviation.
    mean: f64,
    std: f64,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(AdaFace {
        scale: args.f64("s")?,
        margin: args.f64("m")?,
        h: args.f64("h")?,
        t_alpha: args.f64("t_alpha")?,
        mean: 20.0,
        std: 100.0,
    }))
}

impl AdaFace {
    fn update(&mut self, norms: &[f64]) -> Result<()> {
        let n = norms.len() as f64;
        if norms.len() < 2 {
            return Err(Error::Compute(
                "`adaface` takes the standard deviation of a batch's norms; \
                 want at least two samples"
                    .into(),
            ));
        }
        let mean = norms.iter().sum::<f64>() / n;
        let squares = norms.iter().map(|v| (v - mean) * (v - mean));
        let std = (squares.sum::<f64>() / (n - 1.0)).sqrt();
        let alpha = self.t_alpha;
        self.mean = mean * alpha + (1.0 - alpha) * self.mean;
        self.std = std * alpha + (1.0 - alpha) * self.std;
        Ok(())
    }

    /// Image quality in [-1, 1].
    fn quality(&self, norm: f64) -> f64 {
        (self.h * (norm - self.mean) / (self.std + EPS)).clamp(-1.0, 1.0)
    }

    fn target(&self, c: f64, quality: f64) -> Margined {
        let clamped = Margined {
            value: c,
            slope: 1.0,
        }
        .clamped(1.0 - EPS);
        let angle = libm::acos(clamped.value) - self.margin * quality;
        let inside = (EPS..=PI - EPS).contains(&angle);
        let slope = libm::sin(angle) / sine(clamped.value).1 * clamped.slope;
        Margined {
            value: libm::cos(angle.clamp(EPS, PI - EPS)) - self.margin * (1.0 + quality),
            slope: if inside { slope } else { 0.0 },
        }
    }
}

impl Head for AdaFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let norms = input.embeddings.detach().to_dtype(DType::F64)?;
        let norms = norms.sqr()?.sum(D::Minus1)?.sqrt()?.to_vec1::<f64>()?;
        let norms: Vec<f64> = norms.iter().map(|v| v.clamp(1e-3, 100.0)).collect();
        self.update(&norms)?;
        let cosines = Cosines::of(input)?;
        let scale = self.scale;
        let targets = norms.iter().zip(&cosines.target);
        let targets = targets
            .map(|(&norm, &c)| self.target(c, self.quality(norm)).scaled(scale))
            .collect();
        let negative = move |_: usize, value: f64| {
            let cosine = Margined { value, slope: 1.0 };
            cosine.clamped(1.0 - EPS).scaled(scale)
        };
        cosines.softmax(targets, negative, None)
    }

    fn state(&self) -> BTreeMap<String, Vec<f64>> {
        BTreeMap::from([
            ("batch_mean".into(), vec![self.mean]),
            ("batch_std".into(), vec![self.std]),
        ])
    }

    fn restore(&mut self, state: &BTreeMap<String, Vec<f64>>) -> Result<()> {
        let number = |name: &str| match state.get(name).map(Vec::as_slice) {
            Some(&[value]) => Ok(value),
            _ => Err(wrong_state(ENTRY.info.name, name)),
        };
        (self.mean, self.std) = (number("batch_mean")?, number("batch_std")?);
        Ok(())
    }
}
