//! What losses take of a tap of a network: little, where the tap itself is large. It is computed
//! where the tap lies, and so is the tap's gradient.

use super::ops::taps;
use super::value::Value;
use frbench_base::{Error, Result};

impl Value {
    /// The mean over the channels of `x^p` for every pixel, `[n, h, w, 1]` in host memory; `p` is
    /// 1 or more.
    ///
    /// # Errors
    /// [`Error::Compute`] if a GPU fails, as everywhere here.
    pub fn channel_powers(&self, p: u32) -> Result<Value> {
        let [n, h, w, c] = self.shape();
        let means = match self.array() {
            Some(array) => array.channel_powers(p)?,
            None => {
                let mut means = vec![0.0; n * h * w];
                taps::channel_powers(self.data(), c, p, &mut means);
                means
            }
        };
        Value::new([n, h, w, 1], means)
    }

    /// From the gradient of [`Value::channel_powers`], `[n, h, w, 1]`, that of this value.
    ///
    /// # Errors
    /// [`Error::Compute`] for a gradient of another shape, too.
    pub fn channel_powers_backward(&self, p: u32, grad: &Value) -> Result<Value> {
        let [n, h, w, c] = self.shape();
        if grad.shape() != [n, h, w, 1] {
            return Err(Error::Compute(format!(
                "the gradient of one number a pixel of {:?} is {:?}",
                self.shape(),
                grad.shape()
            )));
        }
        let grad = grad.numbers()?;
        match self.array() {
            Some(array) => array.channel_powers_backward(p, &grad),
            None => self.made(|x, dx| taps::channel_powers_backward(x, c, p, &grad, dx)),
        }
    }

    /// The mean of the squared differences to a value of the same shape, which is brought here.
    ///
    /// # Errors
    /// [`Error::Compute`] for another shape, too.
    pub fn mean_square_distance(&self, other: &Value) -> Result<f64> {
        self.same_shape(other)?;
        let sum = match self.array() {
            Some(array) => array.square_distance(other)?,
            None => taps::square_distance(self.data(), &other.numbers()?),
        };
        Ok(sum / self.len() as f64)
    }

    /// From the gradient of [`Value::mean_square_distance`], that of this value.
    ///
    /// # Errors
    /// [`Error::Compute`] for another shape, too.
    pub fn mean_square_distance_backward(&self, other: &Value, grad: f32) -> Result<Value> {
        self.same_shape(other)?;
        let factor = (2.0 * f64::from(grad) / self.len() as f64) as f32;
        match self.array() {
            Some(array) => array.square_distance_backward(other, factor),
            None => {
                let other = other.numbers()?;
                self.made(|x, dx| taps::square_distance_backward(x, &other, factor, dx))
            }
        }
    }

    fn len(&self) -> usize {
        self.shape().iter().product()
    }

    /// A value of this shape in host memory, from the numbers of this one.
    fn made(&self, make: impl FnOnce(&[f32], &mut [f32])) -> Result<Value> {
        let mut numbers = self.room();
        make(self.data(), &mut numbers);
        Ok(Value::from_buffer(self.shape(), numbers))
    }
}
