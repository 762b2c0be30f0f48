//! What a distillation loss sees of a network in one step: embeddings, logits, taps, input
//! gradients.

use super::maths;
use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor, Var};
use frbench_base::{Error, Result};
use frbench_engine::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// One of the two networks, student or teacher.
#[derive(Clone, Copy)]
pub struct Outputs<'a> {
    /// `[B, D]`, raw.
    pub embeddings: &'a Tensor,
    /// `[B, C]`, of the network's own margin head, after margin and scale. Given to losses
    /// that want them ([`Wants::logits`](super::Wants)).
    pub logits: Option<&'a Tensor>,
    /// `[C, D]`, class weights of the network's own margin head. The teacher's are given to
    /// losses that want them ([`Wants::classes`](super::Wants)).
    pub classes: Option<&'a Tensor>,
    /// Given to losses that want them ([`Wants::taps`](super::Wants)).
    pub taps: Option<&'a Taps>,
    /// `[B, h w c]`: of each image's own classification loss, by the network's own margin head,
    /// with respect to the image as the network sees it. The student's is a leaf of autograd.
    /// Given to losses that want them ([`Wants::input_gradients`](super::Wants)).
    pub input_gradients: Option<&'a Tensor>,
}

impl<'a> Outputs<'a> {
    pub fn of_embeddings(embeddings: &'a Tensor) -> Self {
        Outputs {
            embeddings,
            logits: None,
            classes: None,
            taps: None,
            input_gradients: None,
        }
    }

    pub(super) fn logits(&self) -> Result<&'a Tensor> {
        self.logits.ok_or_else(|| {
            Error::Bug("a loss that compares logits was given none of one network".into())
        })
    }

    pub(super) fn classes(&self) -> Result<&'a Tensor> {
        self.classes.ok_or_else(|| {
            Error::Bug("a loss that wants class weights was given none of a network".into())
        })
    }

    pub(super) fn input_gradients(&self) -> Result<&'a Tensor> {
        self.input_gradients.ok_or_else(|| {
            Error::Bug("a loss that compares input gradients was given none of one network".into())
        })
    }

    pub(super) fn taps(&self) -> Result<&'a Taps> {
        self.taps.ok_or_else(|| {
            Error::Bug("a loss that compares taps was given none of one network".into())
        })
    }
}

/// The taps of a network by name, `[B, C, H, W]`. What a loss takes of a student's, a whole map or
/// less ([`Taps::powers`], [`Taps::square_distance`]), becomes a leaf of autograd, so that less than
/// a map leaves the place where the network is; taps that no loss asks for cost nothing.
pub struct Taps {
    values: BTreeMap<String, Value>,
    student: bool,
    tensors: RefCell<BTreeMap<String, Tensor>>,
    taken: RefCell<Vec<Taken>>,
}

/// What was taken of a tap that is not all of it.
struct Taken {
    name: String,
    what: What,
    tensor: Tensor,
}

enum What {
    Powers(u32),
    /// To this tap of the teacher.
    SquareDistance(Value),
}

impl Taps {
    /// Gradients are wanted.
    pub fn of_student(values: BTreeMap<String, Value>) -> Self {
        Taps {
            values,
            student: true,
            tensors: RefCell::default(),
            taken: RefCell::default(),
        }
    }

    /// Constants.
    pub fn of_teacher(values: BTreeMap<String, Value>) -> Self {
        Taps {
            student: false,
            ..Taps::of_student(values)
        }
    }

    /// Without a network: tensors as they are, leaves or constants.
    pub fn of_tensors(tensors: BTreeMap<String, Tensor>) -> Self {
        Taps {
            tensors: RefCell::new(tensors),
            ..Taps::of_teacher(BTreeMap::new())
        }
    }

    /// All names, sorted.
    pub fn names(&self) -> Vec<String> {
        let tensors = self.tensors.borrow();
        let mut names: Vec<String> = self.values.keys().chain(tensors.keys()).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// `[B, C, H, W]`. Fails for a name that is no tap of the network, and says which are.
    pub fn get(&self, name: &str) -> Result<Tensor> {
        if let Some(tensor) = self.tensors.borrow().get(name) {
            return Ok(tensor.clone());
        }
        let value = self.values.get(name).ok_or_else(|| {
            Error::Usage(format!(
                "the network has no tap `{name}`; it has {}",
                self.names().join(", ")
            ))
        })?;
        let tensor = self.leaf(value.to_nchw()?)?;
        let mut tensors = self.tensors.borrow_mut();
        tensors.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// The shape of [`Taps::get`], which it fails like.
    pub fn shape(&self, name: &str) -> Result<Vec<usize>> {
        Ok(match self.values.get(name).map(Value::shape) {
            Some([n, h, w, c]) => vec![n, c, h, w],
            None => self.get(name)?.dims().to_vec(),
        })
    }

    /// The mean over the channels of the `p`-th power, `[B, 1, H, W]`; `p` is 1 or more. Fails like
    /// [`Taps::get`].
    pub fn powers(&self, name: &str, p: u32) -> Result<Tensor> {
        let Some(value) = self.values.get(name) else {
            return maths::mean_powers(&self.get(name)?, p);
        };
        let same = |t: &&Taken| t.name == name && matches!(t.what, What::Powers(q) if q == p);
        if let Some(taken) = self.taken.borrow().iter().find(same) {
            return Ok(taken.tensor.clone());
        }
        let powers = value.channel_powers(p)?.to_nchw()?;
        self.take(name, What::Powers(p), powers)
    }

    /// The mean over all elements of the squared difference to a tap of the teacher, of the same
    /// shape; a scalar. Fails like [`Taps::get`].
    pub fn square_distance(&self, name: &str, teacher: &Taps, theirs: &str) -> Result<Tensor> {
        let (Some(ours), Some(theirs)) = (self.values.get(name), teacher.values.get(theirs)) else {
            return maths::mse(&self.get(name)?, &teacher.get(theirs)?.detach());
        };
        // Moved at most once, for the way back.
        let theirs = theirs.beside(ours)?;
        let distance = ours.mean_square_distance(&theirs)? as f32;
        let distance = Tensor::new(distance, &Device::Cpu)?;
        self.take(name, What::SquareDistance(theirs), distance)
    }

    /// The gradients of the taps that a loss was made from, as the network takes them, and where it
    /// is.
    pub fn gradients(&self, grads: &GradStore) -> Result<BTreeMap<String, Value>> {
        let mut out = BTreeMap::new();
        for (name, tensor) in self.tensors.borrow().iter() {
            if let Some(grad) = grads.get(tensor) {
                out.insert(name.clone(), Value::from_tensor(grad)?);
            }
        }
        for taken in self.taken.borrow().iter() {
            let value = self.values.get(&taken.name);
            let (Some(value), Some(grad)) = (value, grads.get(&taken.tensor)) else {
                continue;
            };
            let mut grad = match &taken.what {
                What::Powers(p) => value.channel_powers_backward(*p, &Value::from_tensor(grad)?)?,
                What::SquareDistance(theirs) => {
                    value.mean_square_distance_backward(theirs, grad.to_scalar()?)?
                }
            };
            if let Some(others) = out.remove(&taken.name) {
                grad = grad.plus(others)?;
            }
            out.insert(taken.name.clone(), grad);
        }
        Ok(out)
    }

    fn take(&self, name: &str, what: What, tensor: Tensor) -> Result<Tensor> {
        let tensor = self.leaf(tensor)?;
        self.taken.borrow_mut().push(Taken {
            name: name.to_owned(),
            what,
            tensor: tensor.clone(),
        });
        Ok(tensor)
    }

    /// Of a student.
    fn leaf(&self, tensor: Tensor) -> Result<Tensor> {
        Ok(match self.student {
            true => Var::from_tensor(&tensor)?.as_tensor().clone(),
            false => tensor,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distill::{self, DistillInput};
    use frbench_base::compare::relative_error;
    use frbench_base::rng::Stream;
    use serde_json::{Value as Json, json};

    fn value(seed: &str, shape: [usize; 4]) -> Value {
        let mut stream = Stream::derive(7, seed, &[]);
        let count = shape.iter().product();
        Value::new(shape, (0..count).map(|_| stream.normal() as f32).collect()).unwrap()
    }

    fn named<T>(tap: T) -> BTreeMap<String, T> {
        BTreeMap::from([("stage1".to_owned(), tap)])
    }

    /// The sum of losses, and the gradient of the student's tap.
    fn losses(student: &Taps, teacher: &Taps, losses: &[(&str, Json)]) -> (f64, Vec<f64>) {
        let embeddings = Tensor::zeros((3, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let view = |taps| Outputs {
            taps: Some(taps),
            ..Outputs::of_embeddings(&embeddings)
        };
        let mut input = DistillInput::of_embeddings(&embeddings, &embeddings);
        (input.student, input.teacher) = (view(student), view(teacher));
        let all = losses.iter().map(|(name, params)| {
            let params = serde_json::from_value(params.clone()).unwrap();
            let mut loss = distill::build(name, &params).unwrap();
            loss.loss(&input).unwrap()
        });
        let sum = all.reduce(|a, b| (a + b).unwrap()).unwrap();
        let grads = student.gradients(&sum.backward().unwrap()).unwrap();
        let grad = grads["stage1"].data().iter().map(|v| f64::from(*v));
        (f64::from(sum.to_scalar::<f32>().unwrap()), grad.collect())
    }

    /// Both ways of the same losses: through what is taken of a network's taps, and through
    /// whole tensors.
    fn both(shape: [usize; 4], which: &[(&str, Json)]) {
        let (ours, theirs) = (value("student", shape), value("teacher", shape));
        let leaf = Var::from_tensor(&ours.to_nchw().unwrap()).unwrap();
        let whole = losses(
            &Taps::of_tensors(named(leaf.as_tensor().clone())),
            &Taps::of_tensors(named(theirs.to_nchw().unwrap())),
            which,
        );
        let student = Taps::of_student(named(ours));
        let teacher = Taps::of_teacher(named(theirs));
        let taken = losses(&student, &teacher, which);
        let off = (taken.0 - whole.0).abs() / whole.0;
        assert!(
            off < 1e-5,
            "{which:?} of {shape:?}: {} {}",
            taken.0,
            whole.0
        );
        let off = relative_error(&taken.1, &whole.1);
        assert!(
            off < 1e-5,
            "{which:?} of {shape:?}: gradients are {off} off"
        );
    }

    fn at(p: u32) -> (&'static str, Json) {
        ("at", json!({"taps": ["stage1"], "p": p}))
    }

    fn pooled() -> (&'static str, Json) {
        let params = json!({"lambda": 2.0, "maps": "channel-pooling"});
        ("a-skd", params)
    }

    fn fitnet() -> (&'static str, Json) {
        ("fitnet", json!({"taps": ["stage1"]}))
    }

    #[test]
    fn what_is_taken_of_a_tap_says_what_the_whole_tap_does() {
        // The last is more than a block, and more channels than are added up in 32 bits.
        for shape in [[3, 2, 1, 1], [3, 5, 7, 5], [3, 4, 4, 32], [3, 6, 7, 301]] {
            for p in [1, 2, 3, 16] {
                both(shape, &[at(p)]);
            }
            both(shape, &[pooled()]);
            both(shape, &[fitnet()]);
        }
    }

    #[test]
    fn gradients_of_a_tap_that_is_looked_at_in_several_ways_add_up() {
        let similar = ("sp", json!({"normalize": "gram-rows", "taps": ["stage1"]}));
        let all = [at(2), fitnet(), at(3), similar, pooled(), at(2), fitnet()];
        both([3, 5, 7, 37], &all);
    }

    #[test]
    fn a_tap_that_is_taken_twice_alike_is_one_leaf() {
        let taps = Taps::of_student(named(value("student", [3, 5, 7, 5])));
        let [a, b] = [0; 2].map(|_| taps.powers("stage1", 2).unwrap());
        assert_eq!(a.id(), b.id());
        assert_eq!(a.dims(), [3, 1, 5, 7]);
        assert_eq!(taps.shape("stage1").unwrap(), [3, 5, 5, 7]);
        let missing = taps.powers("stage2", 2).unwrap_err().to_string();
        assert_eq!(missing, taps.get("stage2").unwrap_err().to_string());
        // No student is there to learn.
        let teacher = Taps::of_teacher(named(value("teacher", [3, 5, 7, 5])));
        assert!(!teacher.powers("stage1", 2).unwrap().is_variable());
    }

    #[test]
    fn taps_of_two_shapes_have_no_distance() {
        let student = Taps::of_student(named(value("student", [3, 5, 7, 5])));
        let teacher = Taps::of_teacher(named(value("teacher", [3, 5, 7, 6])));
        let distance = student.square_distance("stage1", &teacher, "stage1");
        let said = distance.unwrap_err().to_string();
        assert!(said.contains("[3, 5, 7, 5] and [3, 5, 7, 6]"), "{said}");
    }
}
