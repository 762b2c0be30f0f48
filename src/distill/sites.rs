//! Where in the networks a loss compares: taps that the suite names, or the embeddings.

use super::{DistillInput, Wants};
use crate::registry::{Args, Kind, Param, Params};
use crate::{Error, Result};
use candle_core::Tensor;

pub const TAPS: Param = Param {
    name: "taps",
    kind: Kind::Texts,
    required: false,
    doc: "taps to compare, such as \"stage3\", or \"stage3=stage4\" where the teacher's has \
          another name; the losses of several add up (default: the embeddings are compared)",
};

/// Pairs of tap names, student's and teacher's; none means the embeddings.
pub struct Sites(Vec<(String, String)>);

impl Sites {
    pub fn new(args: &Args) -> Result<Self> {
        let pair = |text: String| match text.split_once('=') {
            Some((student, teacher)) => (student.trim().to_owned(), teacher.trim().to_owned()),
            None => (text.clone(), text),
        };
        let stated = args.texts_or("taps", &[])?;
        if args.params.contains_key("taps") && stated.is_empty() {
            return Err(Error::Usage(format!(
                "`{}`: `taps` is empty; name a tap, or leave it out to compare embeddings",
                args.of
            )));
        }
        Ok(Sites(stated.into_iter().map(pair).collect()))
    }

    /// How many pairs are compared.
    pub fn count(&self) -> usize {
        self.0.len().max(1)
    }

    /// Student's and teacher's tensor of every site; the teacher's are constants.
    pub fn pairs(&self, input: &DistillInput) -> Result<Vec<(Tensor, Tensor)>> {
        if self.0.is_empty() {
            let teacher = input.teacher.embeddings.detach();
            return Ok(vec![(input.student.embeddings.clone(), teacher)]);
        }
        let (student, teacher) = (input.student.taps()?, input.teacher.taps()?);
        self.0
            .iter()
            .map(|(s, t)| Ok((student.get(s)?, teacher.get(t)?.detach())))
            .collect()
    }
}

/// Taps are wanted where any are named.
pub(super) fn wants(params: &Params) -> Wants {
    Wants {
        taps: params.contains_key(TAPS.name),
        ..Wants::default()
    }
}

/// The sum of a loss over all sites.
pub(super) fn sum(
    pairs: Vec<(Tensor, Tensor)>,
    mut loss: impl FnMut(&Tensor, &Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    let mut total: Option<Tensor> = None;
    for (student, teacher) in pairs {
        let one = loss(&student, &teacher)?;
        total = Some(match total {
            Some(sum) => (sum + one)?,
            None => one,
        });
    }
    total.ok_or_else(|| Error::Bug("a loss that compares nowhere".into()))
}
