//! Other names of networks that are the same.

/// Names by which another code base calls the tensors of a backbone.
pub struct Alias {
    /// What the network is called there.
    pub name: &'static str,
    /// The backbone, by the name that suites use.
    pub of: &'static str,
    /// Whose names they are.
    pub source: &'static str,
    /// Beginnings of their names, and what the backbone has in their place.
    pub rename: &'static [(&'static str, &'static str)],
    /// The same for what stands behind a beginning that was renamed.
    pub inside: &'static [(&'static str, &'static str)],
    /// Tensors of the backbone that they lack, with the number that fills them: a batch norm
    /// without scale and shift is one with ones and zeros.
    pub fill: &'static [(&'static str, f32)],
}

const TFACE: Alias = Alias {
    name: "mobilefacenet-tface",
    of: "mobilefacenet",
    source: "TFace torchkit/backbone/model_mobilefacenet.py",
    rename: &[
        ("output_layer.conv_6_dw.", "conv_6_dw."),
        ("output_layer.linear.", "linear."),
        ("output_layer.bn.", "bn."),
    ],
    inside: &[],
    fill: &[("bn.weight", 1.0), ("bn.bias", 0.0)],
};

const XIAOCCER: Alias = Alias {
    name: "mobilefacenet-xiaoccer",
    of: "mobilefacenet",
    source: "Xiaoccer/MobileFaceNet_Pytorch core/model.py and Face_Pytorch",
    rename: &[
        ("dw_conv1.", "conv2_dw."),
        ("blocks.0.", "conv_23."),
        ("blocks.1.", "conv_3.model.0."),
        ("blocks.2.", "conv_3.model.1."),
        ("blocks.3.", "conv_3.model.2."),
        ("blocks.4.", "conv_3.model.3."),
        ("blocks.5.", "conv_34."),
        ("blocks.6.", "conv_4.model.0."),
        ("blocks.7.", "conv_4.model.1."),
        ("blocks.8.", "conv_4.model.2."),
        ("blocks.9.", "conv_4.model.3."),
        ("blocks.10.", "conv_4.model.4."),
        ("blocks.11.", "conv_4.model.5."),
        ("blocks.12.", "conv_45."),
        ("blocks.13.", "conv_5.model.0."),
        ("blocks.14.", "conv_5.model.1."),
        ("conv2.", "conv_6_sep."),
        ("linear7.", "conv_6_dw."),
        ("linear1.conv.", "linear."),
        ("linear1.bn.", "bn."),
    ],
    inside: &[
        ("conv.0.", "conv.conv."),
        ("conv.1.", "conv.bn."),
        ("conv.2.", "conv.prelu."),
        ("conv.3.", "conv_dw.conv."),
        ("conv.4.", "conv_dw.bn."),
        ("conv.5.", "conv_dw.prelu."),
        ("conv.6.", "project.conv."),
        ("conv.7.", "project.bn."),
    ],
    fill: &[],
};

pub static ALIASES: &[Alias] = &[TFACE, XIAOCCER];

impl Alias {
    /// The backbone's name of a tensor that this code base calls `name`.
    pub fn ours(&self, name: &str) -> String {
        let Some((to, rest)) = renamed(name, self.rename) else {
            return name.to_string();
        };
        match renamed(rest, self.inside) {
            Some((part, rest)) => format!("{to}{part}{rest}"),
            None => format!("{to}{rest}"),
        }
    }
}

/// What stands in place of a beginning of `name`, and what follows it.
fn renamed<'a>(
    name: &'a str,
    table: &[(&'static str, &'static str)],
) -> Option<(&'static str, &'a str)> {
    let mut found = table
        .iter()
        .filter_map(|(from, to)| Some((*to, name.strip_prefix(from)?)));
    found.next()
}
