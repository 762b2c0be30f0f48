//! What a distillation loss sees of a network in one step: embeddings, logits, taps, input
//! gradients.

use crate::nn::Value;
use crate::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// One of the two networks, student or teacher.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// `[B, D]`, raw.
    pub embeddings: &'a Tensor,
    /// `[B, C]`, of the network's own margin head, after margin and scale. Given to losses
    /// that want them ([`Wants::logits`](super::Wants)).
    pub logits: Option<&'a Tensor>,
    /// Given to losses that want them ([`Wants::taps`](super::Wants)).
    pub taps: Option<&'a Taps>,
    /// `[B, h w c]`: of each image's own classification loss, by the network's own margin head,
    /// with respect to the image as the network sees it. The student's is a leaf of autograd.
    /// Given to losses that want them ([`Wants::input_gradients`](super::Wants)).
    pub input_gradients: Option<&'a Tensor>,
}

impl<'a> View<'a> {
    pub fn of_embeddings(embeddings: &'a Tensor) -> Self {
        View {
            embeddings,
            logits: None,
            taps: None,
            input_gradients: None,
        }
    }

    pub(super) fn logits(&self) -> Result<&'a Tensor> {
        self.logits.ok_or_else(|| {
            Error::Bug("a loss that compares logits was given none of one network".into())
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

/// The taps of a network by name, as tensors `[B, C, H, W]`. Those of a student become leaves
/// of autograd when a loss asks for them; taps that no loss asks for cost nothing.
pub struct Taps {
    values: BTreeMap<String, Value>,
    student: bool,
    tensors: RefCell<BTreeMap<String, Tensor>>,
}

impl Taps {
    /// Gradients are wanted.
    pub fn of_student(values: BTreeMap<String, Value>) -> Self {
        Taps {
            values,
            student: true,
            tensors: RefCell::default(),
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
        let mut tensor = value.to_nchw()?;
        if self.student {
            tensor = Var::from_tensor(&tensor)?.as_tensor().clone();
        }
        let mut tensors = self.tensors.borrow_mut();
        tensors.insert(name.to_owned(), tensor.clone());
        Ok(tensor)
    }

    /// The gradients of the taps that a loss was made from, as the network takes them.
    pub fn gradients(&self, grads: &GradStore) -> Result<BTreeMap<String, Value>> {
        let mut out = BTreeMap::new();
        for (name, tensor) in self.tensors.borrow().iter() {
            if let Some(grad) = grads.get(tensor) {
                out.insert(name.clone(), Value::from_tensor(grad)?);
            }
        }
        Ok(out)
    }
}
