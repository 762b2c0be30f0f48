//! FitNets (Romero et al., ICLR 2015, eq. 3): features like the teacher's, through a
//! regressor where their sizes differ.

use super::adapter::Linear;
use super::sites::{self, Sites, TAPS};
use super::{Distill, DistillEntry, DistillInput, Setup, maths};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_job::artefact::Matrix;
use std::collections::BTreeMap;

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "fitnet",
        summary: "mean squared distance of features, of maps or embeddings",
        source: "Romero et al., ICLR 2015, eq. 3, in the single-stage form of TFace \
                 recognition/tasks/ekd/distillation/fitnet.py and RepDistiller: the mean over \
                 all elements, without the paper's factor 1/2",
        params: &[
            TAPS,
            Param {
                name: "regressor",
                kind: Kind::Choice(&["auto", "linear", "none"]),
                required: false,
                doc: "a linear map (of maps: a 1 x 1 convolution) from the student's channels \
                      to the teacher's, learned with the student: \"auto\" (default) where the \
                      numbers of channels differ",
            },
        ],
    },
    proof: Proof::Golden,
    wants: sites::wants,
    build,
};

#[derive(Clone, Copy, PartialEq)]
enum Regressor {
    Auto,
    Linear,
    None,
}

struct FitNet {
    sites: Sites,
    regressor: Regressor,
    /// One per site; those that are not applied stay empty.
    regressors: Vec<Linear>,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    let sites = Sites::new(&args)?;
    let regressor = |i| Linear::new(format!("regressor{i}"), setup);
    Ok(Box::new(FitNet {
        regressors: (0..sites.count()).map(regressor).collect(),
        sites,
        regressor: match args.text_or("regressor", "auto")? {
            "linear" => Regressor::Linear,
            "none" => Regressor::None,
            _ => Regressor::Auto,
        },
    }))
}

impl Distill for FitNet {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let mut regressors = self.regressors.iter_mut();
        sites::sum(self.sites.looks(input)?, |student, teacher| {
            let regressor = regressors.next();
            let same = student.shape()? == teacher.shape()?;
            if same && self.regressor != Regressor::Linear {
                return student.square_distance(teacher);
            }
            let (mut student, mut teacher) = (student.whole()?, teacher.whole()?.detach());
            if student.rank() == 4 && teacher.rank() == 4 {
                (student, teacher) = maths::same_size(&student, &teacher)?;
            }
            let (from, to) = (student.dim(1)?, teacher.dim(1)?);
            let regress = match self.regressor {
                Regressor::Auto => from != to,
                Regressor::Linear => true,
                Regressor::None => false,
            };
            if let Some(regressor) = regressor.filter(|_| regress) {
                student = per_pixel(&student, |rows| regressor.apply(rows, to))?;
            }
            maths::mse(&student, &teacher)
        })
    }

    fn learn(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        self.regressors
            .iter_mut()
            .try_for_each(|r| r.learn(grads, lr))
    }

    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        let mut state = BTreeMap::new();
        self.regressors.iter().for_each(|r| r.save(&mut state));
        state
    }

    fn restore(&mut self, mut state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        self.regressors
            .iter_mut()
            .try_for_each(|r| r.restore(&mut state))
    }
}

/// A map of rows of channels, applied to vectors `[B, C]` or to every pixel of `[B, C, H, W]`.
fn per_pixel(x: &Tensor, map: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    if x.rank() != 4 {
        return map(x);
    }
    let (n, c, h, w) = x.dims4()?;
    let rows = x
        .permute((0, 2, 3, 1))?
        .contiguous()?
        .reshape((n * h * w, c))?;
    let rows = map(&rows)?;
    let c = rows.dim(1)?;
    Ok(rows
        .reshape((n, h, w, c))?
        .permute((0, 3, 1, 2))?
        .contiguous()?)
}
