//! Initialisers of weights. Each parameter draws from its own stream, keyed by its name, so
//! that the weights of one layer do not depend on which other layers exist.

use frbench_base::rng::Stream;
use serde::{Deserialize, Serialize};

/// How a weight starts. `fan_in` and `fan_out` are PyTorch's: inputs or outputs per group
/// times the kernel's area (for a grouped convolution `fan_out` counts all outputs).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Init {
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
    /// Uniform in `±1 / sqrt(fan_in)`: PyTorch's default for convolutions and linear layers.
    TorchDefault,
    /// Normal with variance `2 / fan_out`.
    KaimingFanOut,
    /// Uniform in `±sqrt(6 / (fan_in + fan_out))`.
    XavierUniform,
}

impl Init {
    /// Fills the weight `name` of the given PyTorch shape; biases pass the shape of their weight.
    pub fn fill(self, seed: u64, name: &str, weight_shape: &[usize], out: &mut [f32]) {
        let area: usize = weight_shape.iter().skip(2).product();
        let fan_out = (weight_shape[0] * area) as f64;
        let fan_in = (weight_shape.get(1).copied().unwrap_or(1) * area) as f64;
        let mut stream = Stream::derive(seed, &format!("init/{name}"), &[]);
        let mut normal = |std: f64| {
            out.iter_mut()
                .for_each(|v| *v = (std * stream.normal()) as f32);
        };
        match self {
            Init::Constant(v) => out.fill(v),
            Init::Normal(std) => normal(std),
            Init::KaimingFanOut => normal((2.0 / fan_out).sqrt()),
            Init::TorchDefault => uniform(&mut stream, (1.0 / fan_in).sqrt(), out),
            Init::XavierUniform => uniform(&mut stream, (6.0 / (fan_in + fan_out)).sqrt(), out),
        }
    }
}

fn uniform(stream: &mut Stream, bound: f64, out: &mut [f32]) {
    out.iter_mut()
        .for_each(|v| *v = stream.range(-bound, bound) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn std(init: Init, shape: &[usize]) -> f64 {
        let mut w = vec![0.0; shape.iter().product()];
        init.fill(1, "w", shape, &mut w);
        (w.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / w.len() as f64).sqrt()
    }

    #[test]
    fn spreads_are_those_of_pytorch() {
        let shape = [64, 32, 3, 3];
        let close = |a: f64, b: f64| assert!((a / b - 1.0).abs() < 0.03, "{a} {b}");
        close(std(Init::Normal(0.1), &shape), 0.1);
        close(std(Init::KaimingFanOut, &shape), (2.0f64 / 576.0).sqrt());
        // A uniform on ±b has standard deviation b / sqrt(3).
        close(
            std(Init::TorchDefault, &shape),
            (1.0f64 / 288.0 / 3.0).sqrt(),
        );
        close(
            std(Init::XavierUniform, &shape),
            (6.0f64 / 864.0 / 3.0).sqrt(),
        );
    }
}
