//! What losses take of a tap that lies on a GPU. The tap and its gradient stay there.

use super::array::Array;
use crate::value::Value;
use frbench_base::Result;
use std::sync::Arc;

impl Array {
    /// The mean over the channels of `x^p` for every pixel, `[n h w]`.
    pub fn channel_powers(&self, p: u32) -> Result<Vec<f32>> {
        let means = self.gpu().channel_powers(self, p)?;
        means.read(0, self.rows())
    }

    /// From the gradient of those means, `[n h w]`, that of the tap.
    pub fn channel_powers_backward(&self, p: u32, grad: &[f32]) -> Result<Value> {
        let grad = self.gpu().upload(grad)?;
        let dx = self.gpu().channel_powers_back(self, &grad, p)?;
        Ok(Value::on_device(dx))
    }

    /// The sum of the squared differences to a value of this shape.
    pub fn square_distance(&self, other: &Value) -> Result<f64> {
        self.gpu().square_distance(self, &self.here(other)?)
    }

    /// `factor (x - other)`.
    pub fn square_distance_backward(&self, other: &Value, factor: f32) -> Result<Value> {
        let other = self.here(other)?;
        let dx = self.gpu().square_distance_back(self, &other, factor)?;
        Ok(Value::on_device(dx))
    }

    /// The sum with a value of this shape.
    pub fn plus(mut self, other: &Value) -> Result<Value> {
        let other = self.here(other)?;
        if !self.is_unshared() {
            self = self.gpu().convert(&self, self.low)?;
        }
        let gpu = Arc::clone(self.gpu());
        gpu.accumulate(&mut self, &other)?;
        Ok(Value::on_device(self))
    }

    /// A value, wherever it lies, on the GPU of this one.
    pub fn beside(&self, other: &Value) -> Result<Value> {
        Ok(Value::on_device(self.here(other)?))
    }

    fn here(&self, other: &Value) -> Result<Array> {
        match other.array() {
            Some(array) if Arc::ptr_eq(array.gpu(), self.gpu()) => Ok(array.clone()),
            Some(array) => {
                let numbers = Value::new(array.shape(), array.download()?)?;
                Array::upload(self.gpu(), &numbers, false)
            }
            None => Array::upload(self.gpu(), other, false),
        }
    }
}
