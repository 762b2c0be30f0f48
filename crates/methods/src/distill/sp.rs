//! Similarity-preserving distillation (Tung and Mori, ICCV 2019, eqs. 1 to 4).

use super::gram::gram;
use super::sites::{self, Sites, TAPS};
use super::{Distill, DistillEntry, DistillInput, Setup, maths};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_engine as engine;

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "sp",
        summary: "squared distance of the similarity matrices of a batch, over B^2",
        source: "Tung and Mori, ICCV 2019, eqs. 1 to 4, as RepDistiller distiller_zoo/SP.py \
                 (`gram-rows`); on L2-normalised embeddings without normalising rows as TFace \
                 recognition/tasks/ekd/distillation/similarity_perserving.py (`embedding`)",
        params: &[
            TAPS,
            Param {
                name: "normalize",
                kind: Kind::Choice(&["embedding", "gram-rows"]),
                required: true,
                doc: "what is L2-normalised: each sample's features (TFace), or each row of the \
                      similarity matrix of raw features (the paper)",
            },
        ],
    },
    proof: Proof::Golden,
    wants: sites::wants,
    build,
};

struct Sp {
    sites: Sites,
    gram_rows: bool,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(Sp {
        sites: Sites::new(&args)?,
        gram_rows: args.text("normalize")? == "gram-rows",
    }))
}

impl Distill for Sp {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        sites::sum(self.sites.pairs(input)?, |student, teacher| {
            maths::same_batch(student, teacher)?;
            let similarity = |features| self.similarity(features, input.device);
            let loss = maths::mse(&similarity(student)?, &similarity(teacher)?)?;
            Ok(loss.to_dtype(student.dtype())?)
        })
    }
}

impl Sp {
    /// `[B, B]`, in f64.
    fn similarity(&self, features: &Tensor, device: &engine::Device) -> Result<Tensor> {
        let rows = maths::wide(&maths::flat(features)?)?;
        if self.gram_rows {
            l2_normalize(&gram(&rows, device)?)
        } else {
            gram(&l2_normalize(&rows)?, device)
        }
    }
}
