//! How images become the input of networks that were trained elsewhere: preprocessing belongs to
//! the weights, and no file of weights says it.

use frbench_job::Color;

/// The preprocessing of a code base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preset {
    pub name: &'static str,
    pub color: Color,
    /// `x / 255` is mapped to `(x - mean) / std`.
    pub mean: f64,
    pub std: f64,
    /// Where it stands.
    pub source: &'static str,
}

const fn preset(
    name: &'static str,
    color: Color,
    (mean, std): (f64, f64),
    source: &'static str,
) -> Preset {
    Preset {
        name,
        color,
        mean,
        std,
        source,
    }
}

/// Every preset, by name.
pub const PRESETS: &[Preset] = &[
    preset(
        "adaface",
        Color::Bgr,
        (0.5, 0.5),
        "mk-minchul/AdaFace, README: to_input",
    ),
    preset(
        "cvlface",
        Color::Rgb,
        (0.5, 0.5),
        "mk-minchul/CVLface; \"bgr\" where a model's configuration says `color_space: BGR`",
    ),
    preset(
        "face-evolve",
        Color::Rgb,
        (0.5, 0.5),
        "ZhaoJ9014/face.evoLVe, train.py: RGB_MEAN, RGB_STD",
    ),
    preset(
        "facex-zoo",
        Color::Bgr,
        (0.5, 128.0 / 255.0),
        "JDAI-CV/FaceX-Zoo, data_processor: (x - 127.5) * 0.0078125 on OpenCV's channels",
    ),
    preset(
        "insightface",
        Color::Rgb,
        (0.5, 0.5),
        "deepinsight/insightface, recognition/arcface_torch: (x / 255 - 0.5) / 0.5",
    ),
    preset(
        "magface",
        Color::Bgr,
        (0.0, 1.0),
        "IrvingMeng/MagFace, inference/gen_feat.py: x / 255 on OpenCV's channels",
    ),
    preset(
        "treb1en",
        Color::Bgr,
        (0.5, 0.5),
        "TreB1eN/InsightFace_Pytorch, data/data_pipe.py: channels as OpenCV decodes records",
    ),
    preset(
        "xiaoccer",
        Color::Rgb,
        (0.5, 128.0 / 255.0),
        "Xiaoccer/MobileFaceNet_Pytorch, dataloader: (x - 127.5) / 128, channels as imread has them",
    ),
];

/// Their names.
pub const NAMES: &[&str] = &{
    let mut names = [""; PRESETS.len()];
    let mut i = 0;
    while i < names.len() {
        names[i] = PRESETS[i].name;
        i += 1;
    }
    names
};

pub fn find(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|p| p.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_differ() {
        assert!(NAMES.is_sorted_by(|a, b| a < b), "{NAMES:?}");
    }
}
