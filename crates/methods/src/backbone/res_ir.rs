//! The improved residual network of Face_Pytorch, with its names: the CBAM-iResNet of A-SKD
//! without attention. An iResNet, too, but with Xavier's initial weights, a learned scale of the
//! last batch norm, and dropout.

use super::BackboneEntry;
use super::cbam_iresnet::{PARAMS, body, residual, shortcut};
use frbench_base::registry::{Info, Proof};
use frbench_base::{Result, Size};
use frbench_engine::Graph;
use frbench_job::BackboneSpec;

const SOURCE: &str = "wujiyang/Face_Pytorch backbone/cbam.py CBAMResNet, mode `ir`; the same in SWJTU-3DVision/BoundaryFace (ECCV 2022)";

depth!(
    network,
    R50,
    "res50-ir",
    summary: "Res50-IR of Face_Pytorch: iResNet-50 with dropout 0.4",
    Proof::Recomputed,
    [3, 4, 14, 3]
);
depth!(
    network,
    R100,
    "res100-ir",
    summary: "Res100-IR of Face_Pytorch: iResNet-100 with dropout 0.4",
    Proof::DepthOf("res50-ir"),
    [3, 13, 30, 3]
);

/// Taps `stage1` to `stage4`: the outputs of the four stages.
fn network(spec: &BackboneSpec, size: Size, blocks: [usize; 4]) -> Result<Graph> {
    body(spec, size, blocks, |b, x, name, channels, project| {
        let name = format!("{name}.");
        let y = residual(b, x, &name, channels, project);
        let shortcut = shortcut(b, x, &name, channels, project);
        b.add(y, shortcut)
    })
}
