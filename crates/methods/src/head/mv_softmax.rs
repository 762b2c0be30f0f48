//! MV-Softmax (Wang et al., AAAI 2020, eq. 5 and 6): classes that a sample is confused with
//! count for more. A negative is hard where its cosine exceeds the target's margined cosine.

use super::angular::{Angular, EASY, MARGIN};
use super::margin::{Cosines, Margined, SCALE};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_job::HeadSpec;

const SOURCE: &str = "Wang et al., Mis-classified Vector Guided Softmax, AAAI 2020, eq. 5 and 6; \
                      adaptive as in SV-X-Softmax (FaceX-Zoo's `mv_weight` w is t = w - 1), fixed and clamped as \
                      in BoundaryFace's `ms_origin_margin.py`";

const T: Param = Param {
    name: "t",
    kind: Kind::Float {
        min: 0.0,
        max: 10.0,
    },
    required: true,
    doc: "weight of hard negatives; 0.2 in SV-X-Softmax and BoundaryFace, 0.12 in FaceX-Zoo",
};

const VARIANT: Param = Param {
    name: "variant",
    kind: Kind::Choice(&["fixed", "adaptive"]),
    required: true,
    doc: "\"fixed\" adds t to a hard cosine (at least the target's), \"adaptive\" makes it \
          (t + 1) cos + t (above the target's)",
};

const CLAMP: Param = Param {
    name: "clamp",
    kind: Kind::Bool,
    required: false,
    doc: "clamp all cosines to [-1, 1] afterwards, as BoundaryFace does (default false)",
};

pub(super) const AM: HeadEntry = HeadEntry {
    info: Info {
        name: "mv-am",
        summary: "MV-Softmax with a margin on the cosine",
        source: SOURCE,
        params: &[
            SCALE,
            Param {
                name: "m",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "margin on the cosine; 0.35 in SV-X-Softmax",
            },
            T,
            VARIANT,
            CLAMP,
            Param {
                name: "easy_margin",
                kind: Kind::Bool,
                required: false,
                doc: "no margin for a target cosine that is not above it, as in FaceX-Zoo \
                      (default false)",
            },
        ],
    },
    proof: Proof::Recomputed,
    presets: &[
        Preset {
            name: "sv-x-softmax",
            source: "SV-X-Softmax fc_layers.py; s is the caller's",
            params: r#"{"s": 32, "m": 0.35, "t": 0.2, "variant": "adaptive"}"#,
        },
        Preset {
            name: "facex-zoo",
            source: "JDAI-CV/FaceX-Zoo head/MV_Softmax.py (mv_weight 1.12)",
            params: r#"{"s": 32, "m": 0.35, "t": 0.12, "variant": "adaptive", "easy_margin": true}"#,
        },
    ],
    build: |spec| build(AM.info.name, spec, true),
};

pub(super) const ARC: HeadEntry = HeadEntry {
    info: Info {
        name: "mv-arcface",
        summary: "MV-Softmax with a margin on the angle",
        source: SOURCE,
        params: &[SCALE, MARGIN, T, VARIANT, CLAMP, EASY],
    },
    proof: Proof::Golden,
    presets: &[
        Preset {
            name: "sv-x-softmax",
            source: "SV-X-Softmax fc_layers.py; s and m are the caller's",
            params: r#"{"s": 32, "m": 0.5, "t": 0.2, "variant": "adaptive", "easy_margin": true}"#,
        },
        Preset {
            name: "facex-zoo",
            source: "JDAI-CV/FaceX-Zoo head/MV_Softmax.py (mv_weight 1.12)",
            params: r#"{"s": 32, "m": 0.35, "t": 0.12, "variant": "adaptive", "easy_margin": true}"#,
        },
        Preset {
            name: "boundaryface",
            source: "SWJTU-3DVision/BoundaryFace head/ms_origin_margin.py",
            params: r#"{"s": 32, "m": 0.5, "t": 0.2, "variant": "fixed", "clamp": true}"#,
        },
    ],
    build: |spec| build(ARC.info.name, spec, false),
};

enum Base {
    Cosine { margin: f64, easy: bool },
    Angle(Angular),
}

struct MvSoftmax {
    name: &'static str,
    scale: f64,
    base: Base,
    t: f64,
    adaptive: bool,
    /// Largest absolute cosine.
    limit: f64,
}

fn build(name: &'static str, spec: &HeadSpec, cosine: bool) -> Result<Box<dyn Head>> {
    let args = Args::new(name, &spec.params);
    let (margin, easy) = (args.f64("m")?, args.bool_or("easy_margin", false)?);
    Ok(Box::new(MvSoftmax {
        name,
        scale: args.f64("s")?,
        base: if cosine {
            Base::Cosine { margin, easy }
        } else {
            Base::Angle(Angular::new(margin, easy))
        },
        t: args.f64("t")?,
        adaptive: args.text("variant")? == "adaptive",
        limit: match args.bool_or("clamp", false)? {
            true => 1.0,
            false => f64::INFINITY,
        },
    }))
}

impl MvSoftmax {
    /// The target's cosine with its margin, before the clamp.
    fn target(&self, c: f64) -> Margined {
        match &self.base {
            Base::Angle(angular) => angular.at(c),
            Base::Cosine { margin, easy } => {
                let eased = *easy && c <= *margin;
                Margined {
                    value: if eased { c } else { c - margin },
                    slope: 1.0,
                }
            }
        }
    }
}

impl Head for MvSoftmax {
    fn name(&self) -> &'static str {
        self.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let cosines = Cosines::of(input)?;
        let (scale, t, adaptive, limit) = (self.scale, self.t, self.adaptive, self.limit);
        // The mask has no gradient.
        let targets = cosines.targets(1.0, |c| self.target(c).clamped(limit));
        let hard: Vec<f64> = targets.iter().map(|m| m.value).collect();
        let (gain, shift) = if adaptive { (t + 1.0, t) } else { (1.0, t) };
        let negative = move |row: usize, c: f64| {
            let is_hard = c > hard[row] || (!adaptive && c == hard[row]);
            let (gain, shift) = if is_hard { (gain, shift) } else { (1.0, 0.0) };
            let cosine = Margined {
                value: gain * c + shift,
                slope: gain,
            };
            cosine.clamped(limit).scaled(scale)
        };
        let targets = targets.into_iter().map(|m| m.scaled(scale)).collect();
        cosines.softmax(targets, negative, None)
    }
}
