//! What `device` asks a GPU for, by the names that are asked for there.

use super::classes::Classes;
use super::gpu::Gpu;
use super::images::ImageSet;
use super::relations::{Angles, Bank, Gram};
use super::search::Search;
use crate::device;
use crate::settings::Precision;
use frbench_base::{Result, Size};
use std::sync::Arc;

impl Gpu {
    /// See [`device::Device::classes`].
    pub(crate) fn classes(
        self: &Arc<Self>,
        weight: &[f32],
        d: usize,
        precision: Precision,
    ) -> Result<Box<dyn device::Classes>> {
        Ok(Box::new(Classes::new(self, weight, d, precision)?))
    }

    /// See [`device::Device::bank`].
    pub(crate) fn bank(
        self: &Arc<Self>,
        features: &[f32],
        d: usize,
    ) -> Result<Box<dyn device::Bank>> {
        Ok(Box::new(Bank::new(self, features, d)?))
    }

    /// See [`device::Device::gram`].
    pub(crate) fn gram(
        self: &Arc<Self>,
        features: &[f64],
        d: usize,
    ) -> Result<Box<dyn device::Gram>> {
        Ok(Box::new(Gram::new(self, features, d)?))
    }

    /// See [`device::Device::angles`].
    pub(crate) fn angles(
        self: &Arc<Self>,
        n: usize,
        networks: [&[f64]; 4],
    ) -> Result<Box<dyn device::Angles>> {
        Ok(Box::new(Angles::new(self, n, networks)?))
    }

    /// See [`device::Device::search`].
    pub(crate) fn search(
        self: &Arc<Self>,
        probes: (&[f32], &[f64]),
        ladders: &[&[f64]],
        rows: usize,
        tail: bool,
    ) -> Result<Box<dyn device::Search>> {
        Ok(Box::new(Search::new(self, probes, ladders, rows, tail)?))
    }

    /// See [`device::Device::image_set`].
    pub(crate) fn image_set(
        self: &Arc<Self>,
        pixels: &[u8],
        size: Size,
        seen: (&[f32; 256], bool),
        precision: Precision,
    ) -> Result<Option<Arc<dyn device::ImageSet>>> {
        let set = ImageSet::new(self, pixels, size, seen, precision)?;
        Ok(set.map(|set| Arc::new(set) as Arc<dyn device::ImageSet>))
    }
}
