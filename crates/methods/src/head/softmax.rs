//! Plain softmax (Liu et al., SphereFace, CVPR 2017, eq. 1): dot products of raw embeddings and raw class weights, without a bias.

use super::cosine::products_of;
use super::{Head, HeadEntry, HeadInput, HeadOutput, entropy};
use frbench_base::Result;
use frbench_base::registry::{Info, Proof};
use frbench_job::HeadSpec;

pub(super) const ENTRY: HeadEntry = HeadEntry {
    info: Info {
        name: "softmax",
        summary: "a linear classifier: no normalisation, no margin, no bias",
        source: "softmax cross-entropy over `W x`; Liu et al., SphereFace, CVPR 2017, eq. 1, \
                 without the bias",
        params: &[],
    },
    proof: Proof::Recomputed,
    presets: &[],
    build,
};

struct Softmax;

fn build(_spec: &HeadSpec) -> Result<Box<dyn Head>> {
    Ok(Box::new(Softmax))
}

impl Head for Softmax {
    fn name(&self) -> &'static str {
        ENTRY.info.name
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let logits = products_of(input)?;
        Ok(HeadOutput {
            loss: entropy::cross_entropy(&logits, input.labels)?,
            logits: Some(logits),
            labels: None,
            aux_loss: None,
        })
    }
}
