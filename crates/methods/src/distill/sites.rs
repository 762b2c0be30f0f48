//! Where in the networks a loss compares: taps that the suite names, or the embeddings.

use super::{DistillInput, Taps, Wants, maths};
use candle_core::Tensor;
use frbench_base::registry::{Args, Kind, Param, Params};
use frbench_base::{Error, Result};

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
        let looks = self.looks(input)?.into_iter();
        looks
            .map(|(s, t)| Ok((s.whole()?, t.whole()?.detach())))
            .collect()
    }

    /// The same for losses that may do with less than whole maps; what is taken of a teacher is to
    /// be detached.
    pub fn looks<'a>(&'a self, input: &DistillInput<'a>) -> Result<Vec<(Look<'a>, Look<'a>)>> {
        if self.0.is_empty() {
            let of = Look::Embeddings;
            return Ok(vec![(
                of(input.student.embeddings),
                of(input.teacher.embeddings),
            )]);
        }
        let (student, teacher) = (input.student.taps()?, input.teacher.taps()?);
        let looks = self.0.iter();
        Ok(looks
            .map(|(s, t)| (Look::Tap(student, s), Look::Tap(teacher, t)))
            .collect())
    }
}

/// What a loss may look at in one network: embeddings, or a tap by its name.
#[derive(Clone, Copy)]
pub enum Look<'a> {
    Embeddings(&'a Tensor),
    Tap(&'a Taps, &'a str),
}

impl Look<'_> {
    /// `[B, D]` or `[B, C, H, W]`.
    pub fn shape(&self) -> Result<Vec<usize>> {
        match self {
            Look::Embeddings(tensor) => Ok(tensor.dims().to_vec()),
            Look::Tap(taps, name) => taps.shape(name),
        }
    }

    /// All of it, of that shape.
    pub fn whole(&self) -> Result<Tensor> {
        match self {
            Look::Embeddings(tensor) => Ok((*tensor).clone()),
            Look::Tap(taps, name) => taps.get(name),
        }
    }

    /// See [`Taps::powers`].
    pub fn powers(&self, p: u32) -> Result<Tensor> {
        match self {
            Look::Embeddings(tensor) => maths::mean_powers(tensor, p),
            Look::Tap(taps, name) => taps.powers(name, p),
        }
    }

    /// See [`Taps::square_distance`]; the teacher's is a constant.
    pub fn square_distance(&self, teacher: &Look) -> Result<Tensor> {
        match (self, teacher) {
            (Look::Tap(ours, name), Look::Tap(theirs, its)) => {
                ours.square_distance(name, theirs, its)
            }
            _ => maths::mse(&self.whole()?, &teacher.whole()?.detach()),
        }
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
pub(super) fn sum<T>(
    pairs: Vec<(T, T)>,
    mut loss: impl FnMut(&T, &T) -> Result<Tensor>,
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
