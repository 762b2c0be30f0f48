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
    /// Tensors of the backbone that they lack, with the number that fills them: a batch norm
    /// without scale and shift is one with ones and zeros.
    pub fill: &'static [(&'static str, f32)],
}

pub static ALIASES: &[Alias] = &[Alias {
    name: "mobilefacenet-tface",
    of: "mobilefacenet",
    source: "TFace torchkit/backbone/model_mobilefacenet.py",
    rename: &[
        ("output_layer.conv_6_dw.", "conv_6_dw."),
        ("output_layer.linear.", "linear."),
        ("output_layer.bn.", "bn."),
    ],
    fill: &[("bn.weight", 1.0), ("bn.bias", 0.0)],
}];

impl Alias {
    /// The backbone's name of a tensor that this code base calls `name`.
    pub fn ours(&self, name: &str) -> String {
        let renamed = self.rename.iter().find_map(|(from, to)| {
            let rest = name.strip_prefix(from)?;
            Some(format!("{to}{rest}"))
        });
        renamed.unwrap_or_else(|| name.to_string())
    }
}
