//! Flat stores of named tensors.

use std::collections::BTreeMap;

/// A named tensor inside a [`Store`], row-major, in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    pub name: String,
    pub shape: Vec<usize>,
    pub offset: usize,
    pub len: usize,
}

/// All parameters (or all buffers) of a network in one slice, with their gradients.
#[derive(Clone, Debug, Default)]
pub struct Store {
    pub values: Vec<f32>,
    /// As long as `values` for parameters, empty for buffers. [`super::Network::backward`]
    /// adds to it, [`super::Sgd::step`] clears it.
    pub grads: Vec<f32>,
    views: Vec<View>,
    by_name: BTreeMap<String, usize>,
}

impl Store {
    /// Appends a tensor of zeros and gives the index of its view.
    pub(crate) fn push(&mut self, name: String, shape: Vec<usize>) -> usize {
        let len = shape.iter().product();
        let view = View {
            offset: self.values.len(),
            len,
            shape,
            name: name.clone(),
        };
        self.values.resize(view.offset + len, 0.0);
        self.views.push(view);
        self.by_name.insert(name, self.views.len() - 1);
        self.views.len() - 1
    }

    /// Views in the order of the network's layers.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    pub fn view(&self, name: &str) -> Option<&View> {
        self.by_name.get(name).map(|&i| &self.views[i])
    }

    pub fn get(&self, view: usize) -> &[f32] {
        let v = &self.views[view];
        &self.values[v.offset..v.offset + v.len]
    }

    pub fn get_mut(&mut self, view: usize) -> &mut [f32] {
        let v = &self.views[view];
        &mut self.values[v.offset..v.offset + v.len]
    }

    pub fn zero_grads(&mut self) {
        self.grads.fill(0.0);
    }
}
