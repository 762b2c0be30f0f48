//! MagFace (Meng et al., CVPR 2021, eq. 3 and 4): margin and a regulariser that depend on the
//! embedding's magnitude.
//!
//! With `a = |x|` clamped to `[l_a, u_a]` the margin is
//! `m(a) = (u_margin - l_margin) / (u_a - l_a) (a - l_a) + l_margin`, the target is
//! `cos(theta + m(a))`, and `lambda_g mean(a / u_a^2 + 1 / a)` is added to the cross-entropy.
//! The gradient goes through the margin to the magnitude.

use super::angular::{Angular, EASY};
use super::cosine::NORM_FLOOR;
use super::margin::{Cosines, SCALE, plain};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use candle_core::{D, DType, Tensor};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_job::HeadSpec;

const fn number(name: &'static str, max: f64, doc: &'static str) -> Param {
    Param {
        name,
        kind: Kind::Float { min: 0.0, max },
        required: true,
        doc,
    }
}

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "magface",
        summary: "angular margin and regulariser that grow with the embedding's magnitude",
        source: "Meng et al., CVPR 2021, eq. 3 and 4, as in the authors' `magface.py` (whose \
                 default is the easy margin)",
        params: &[
            SCALE,
            number("l_a", 1e4, "smallest magnitude; 10"),
            number("u_a", 1e4, "largest magnitude, above l_a; 110"),
            number("l_margin", 1.5, "margin in radians at l_a; 0.45"),
            number("u_margin", 1.5, "margin in radians at u_a; 0.8"),
            number("lambda_g", 1e4, "weight of the regulariser; 35"),
            EASY,
        ],
    },
    proof: Proof::Recomputed,
    presets: &[Preset {
        name: "authors",
        source: "IrvingMeng/MagFace models/magface.py and its training script",
        params: r#"{"s": 64, "l_a": 10, "u_a": 110, "l_margin": 0.45, "u_margin": 0.8, "lambda_g": 35, "easy_margin": true}"#,
    }],
    build,
};

struct MagFace {
    scale: f64,
    magnitude: (f64, f64),
    margin: (f64, f64),
    lambda: f64,
    easy: bool,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    let magnitude = (args.f64("l_a")?, args.f64("u_a")?);
    if magnitude.0 <= 0.0 || magnitude.1 <= magnitude.0 {
        return Err(Error::Usage(format!(
            "`magface`: magnitudes from {} to {}; want 0 < l_a < u_a",
            magnitude.0, magnitude.1
        )));
    }
    Ok(Box::new(MagFace {
        scale: args.f64("s")?,
        magnitude,
        margin: (args.f64("l_margin")?, args.f64("u_margin")?),
        lambda: args.f64("lambda_g")?,
        easy: args.bool_or("easy_margin", false)?,
    }))
}

impl Head for MagFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let (low, high) = self.magnitude;
        let slope = (self.margin.1 - self.margin.0) / (high - low);
        let squared = input.embeddings.sqr()?.sum(D::Minus1)?;
        let norm = squared.maximum(NORM_FLOOR * NORM_FLOOR)?.sqrt()?;
        let magnitude = norm.maximum(low)?.minimum(high)?;
        let values: Vec<f64> = magnitude.to_dtype(DType::F64)?.to_vec1()?;

        let cosines = Cosines::of(input)?;
        let (mut targets, mut by_magnitude) = (Vec::new(), Vec::new());
        for (a, &c) in values.iter().zip(&cosines.target) {
            let angular = Angular::new(slope * (a - low) + self.margin.0, self.easy);
            targets.push(angular.at(c).scaled(self.scale));
            by_magnitude.push(self.scale * slope * angular.by_margin(c));
        }
        let by_magnitude = Tensor::from_vec(by_magnitude, values.len(), norm.device())?;
        let by_magnitude = by_magnitude.to_dtype(norm.dtype())?;
        let lift = (by_magnitude * (&magnitude - magnitude.detach())?)?;

        let mut output = cosines.softmax(targets, plain(self.scale), Some(&lift))?;
        let regulariser = ((&magnitude / (high * high))? + magnitude.recip()?)?.mean_all()?;
        let aux = (regulariser * self.lambda)?;
        output.loss = (output.loss + &aux)?;
        output.aux_loss = Some(aux);
        Ok(output)
    }
}
