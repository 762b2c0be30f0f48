//! Flat stores of named tensors.

use std::collections::BTreeMap;

/// A named tensor inside a [`Store`], row-major, in PyTorch's layout.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
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
    slots: Vec<Slot>,
    by_name: BTreeMap<String, usize>,
}

impl Store {
    /// Appends a tensor of zeros and gives the index of its slot.
    pub(crate) fn push(&mut self, name: String, shape: Vec<usize>) -> usize {
        let len = shape.iter().product();
        let slot = Slot {
            offset: self.values.len(),
            len,
            shape,
            name: name.clone(),
        };
        self.values.resize(slot.offset + len, 0.0);
        self.slots.push(slot);
        self.by_name.insert(name, self.slots.len() - 1);
        self.slots.len() - 1
    }

    /// Slots in the order of the network's layers.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    pub fn slot(&self, name: &str) -> Option<&Slot> {
        self.by_name.get(name).map(|&i| &self.slots[i])
    }

    pub fn get(&self, slot: usize) -> &[f32] {
        let v = &self.slots[slot];
        &self.values[v.offset..v.offset + v.len]
    }

    pub fn get_mut(&mut self, slot: usize) -> &mut [f32] {
        let v = &self.slots[slot];
        &mut self.values[v.offset..v.offset + v.len]
    }

    pub fn zero_grads(&mut self) {
        self.grads.fill(0.0);
    }
}
