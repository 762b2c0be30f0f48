//! Constants that implementations disagree on, by name and with the source they are from.
//!
//! A suite states its constants in full; these are what to state to train as a code base does.

use crate::plan::spec::HeadSpec;
use serde_json::{Map, Value};

/// The parameters of a head in one implementation.
pub struct Preset {
    pub head: &'static str,
    /// Unique among the presets of its head.
    pub name: &'static str,
    /// The file that has them.
    pub source: &'static str,
    /// As the JSON object of the head's parameters.
    params: &'static str,
}

impl Preset {
    /// The head with these parameters.
    pub fn spec(&self) -> HeadSpec {
        // The text is ours, and a test reads every one.
        let params: Map<String, Value> = serde_json::from_str(self.params).unwrap_or_default();
        HeadSpec {
            name: self.head.to_owned(),
            params: params.into_iter().collect(),
        }
    }
}

macro_rules! presets {
    ($($head:literal $name:literal: $params:literal from $source:literal;)*) => {
        &[$(Preset { head: $head, name: $name, source: $source, params: $params }),*]
    };
}

/// Every preset, in order of heads.
pub static PRESETS: &[Preset] = presets! {
    "sphereface" "sv-x-softmax":
        r#"{"magnitude": "scale", "s": 32, "m": 4, "lambda_base": 1000, "lambda_gamma": 1e-4, "lambda_power": 2, "lambda_min": 5}"#
        from "SV-X-Softmax fc_layers.py (annealing); s and m are the caller's";
    "sphereface" "evolve":
        r#"{"magnitude": "norm", "m": 4, "lambda_base": 1000, "lambda_gamma": 0.12, "lambda_power": 1, "lambda_min": 5}"#
        from "ZhaoJ9014/face.evoLVe head/metrics.py";
    "cosface" "paper": r#"{"s": 64, "m": 0.35}"# from "Wang et al., CVPR 2018";
    "cosface" "insightface": r#"{"s": 64, "m": 0.4}"#
        from "deepinsight/insightface recognition/arcface_torch/losses.py";
    "arcface" "paper": r#"{"s": 64, "m": 0.5}"# from "Deng et al., CVPR 2019";
    "arcface" "boundaryface": r#"{"s": 32, "m": 0.5}"#
        from "SWJTU-3DVision/BoundaryFace head/ArcFace.py";
    "arcface" "sv-x-softmax": r#"{"s": 32, "m": 0.5, "easy_margin": true}"#
        from "SV-X-Softmax fc_layers.py (easy margin by default); s and m are the caller's";
    "combined-margin" "insightface":
        r#"{"s": 64, "m1": 1, "m2": 0.5, "m3": 0, "target_gradient": "identity"}"#
        from "deepinsight/insightface recognition/arcface_torch/losses.py";
    "combined-margin" "paper":
        r#"{"s": 64, "m1": 1, "m2": 0.3, "m3": 0.2, "target_gradient": "exact"}"#
        from "Deng et al., CVPR 2019, CM1";
    "subcenter-arcface" "paper": r#"{"s": 64, "m": 0.5, "k": 3}"# from "Deng et al., ECCV 2020";
    "mv-am" "sv-x-softmax": r#"{"s": 32, "m": 0.35, "t": 0.2, "variant": "adaptive"}"#
        from "SV-X-Softmax fc_layers.py; s is the caller's";
    "mv-am" "facex-zoo":
        r#"{"s": 32, "m": 0.35, "t": 0.12, "variant": "adaptive", "easy_margin": true}"#
        from "JDAI-CV/FaceX-Zoo head/MV_Softmax.py (mv_weight 1.12)";
    "mv-arcface" "sv-x-softmax":
        r#"{"s": 32, "m": 0.5, "t": 0.2, "variant": "adaptive", "easy_margin": true}"#
        from "SV-X-Softmax fc_layers.py; s and m are the caller's";
    "mv-arcface" "facex-zoo":
        r#"{"s": 32, "m": 0.35, "t": 0.12, "variant": "adaptive", "easy_margin": true}"#
        from "JDAI-CV/FaceX-Zoo head/MV_Softmax.py (mv_weight 1.12)";
    "mv-arcface" "boundaryface":
        r#"{"s": 32, "m": 0.5, "t": 0.2, "variant": "fixed", "clamp": true}"#
        from "SWJTU-3DVision/BoundaryFace head/ms_origin_margin.py";
    "curricularface" "authors": r#"{"s": 64, "m": 0.5, "momentum": 0.01}"#
        from "HuangYG123/CurricularFace head/metrics.py";
    "curricularface" "tface": r#"{"s": 64, "m": 0.5, "momentum": 0.1}"#
        from "Tencent/TFace recognition (moving average 0.1)";
    "curricularface" "boundaryface": r#"{"s": 32, "m": 0.5, "momentum": 0.01}"#
        from "SWJTU-3DVision/BoundaryFace head/curricularMargin.py";
    "adaface" "recipe": r#"{"s": 64, "m": 0.4, "h": 0.333, "t_alpha": 0.01}"#
        from "mk-minchul/AdaFace, training scripts";
    "adaface" "class-default": r#"{"s": 64, "m": 0.4, "h": 0.333, "t_alpha": 1.0}"#
        from "mk-minchul/AdaFace head.py";
    "magface" "authors":
        r#"{"s": 64, "l_a": 10, "u_a": 110, "l_margin": 0.45, "u_margin": 0.8, "lambda_g": 35, "easy_margin": true}"#
        from "IrvingMeng/MagFace models/magface.py and its training script";
    "elasticface" "arc": r#"{"s": 64, "form": "arc", "m": 0.5, "sigma": 0.05, "plus": "none"}"#
        from "fdbtrs/ElasticFace config/config.py";
    "elasticface" "cos-class-default":
        r#"{"s": 64, "form": "cos", "m": 0.35, "sigma": 0.0125, "plus": "none"}"#
        from "fdbtrs/ElasticFace utils/losses.py";
    "boundary-f1" "casia": r#"{"s": 32, "m": 0.5, "epoch_start": 7}"#
        from "SWJTU-3DVision/BoundaryFace head/boundaryMargin1.py";
    "boundaryface" "casia": r#"{"s": 32, "m": 0.5, "epoch_start": 7, "form": "released"}"#
        from "SWJTU-3DVision/BoundaryFace head/boundaryMargin.py";
    "boundaryface" "ms1m": r#"{"s": 32, "m": 0.5, "epoch_start": 10, "form": "released"}"#
        from "SWJTU-3DVision/BoundaryFace README, MS1M runs";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_builds_under_a_name_of_its_own() {
        for (i, preset) in PRESETS.iter().enumerate() {
            assert!(serde_json::from_str::<Map<String, Value>>(preset.params).is_ok());
            let built = super::super::build(&preset.spec());
            assert!(
                built.is_ok(),
                "{} {}: {:?}",
                preset.head,
                preset.name,
                built.err()
            );
            let same = |p: &&Preset| p.head == preset.head && p.name == preset.name;
            assert_eq!(PRESETS[..i].iter().find(same).map(|p| p.source), None);
        }
    }
}
