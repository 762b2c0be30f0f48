//! NormFace (Wang et al., ACM MM 2017, eq. 6): softmax over scaled cosines, without a margin.

use super::margin::{Margined, SCALE, margin_softmax};
use super::{Head, HeadEntry, HeadInput, HeadOutput};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Proof};
use frbench_job::HeadSpec;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "normface",
        summary: "scaled cosines without a margin",
        source: "Wang et al., NormFace, ACM Multimedia 2017, eq. 6, with a fixed scale",
        params: &[SCALE],
    },
    proof: Proof::Recomputed,
    presets: &[],
    build,
};

struct NormFace {
    scale: f64,
}

fn build(spec: &HeadSpec) -> Result<Box<dyn Head>> {
    let args = Args::new(ENTRY.info.name, &spec.params);
    Ok(Box::new(NormFace {
        scale: args.f64("s")?,
    }))
}

impl Head for NormFace {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        margin_softmax(input, self.scale, |value| Margined { value, slope: 1.0 })
    }
}
