//! What a camera does to light: blur, white balance, tone, noise, quantisation.

use super::condition::Camera;
use super::math::{Vec3, scale};
use frbench_base::rng::Stream;
use frbench_data::image::Image;
use std::sync::LazyLock;

/// Steps of the tone table over linear 0..1.
const TONES: usize = 4096;

/// Linear light to sRGB, 0..255.
static SRGB: LazyLock<Vec<f32>> = LazyLock::new(|| {
    (0..=TONES)
        .map(|i| {
            let v = i as f32 / TONES as f32;
            let s = if v <= 0.003_130_8 {
                12.92 * v
            } else {
                1.055 * libm::powf(v, 1.0 / 2.4) - 0.055
            };
            255.0 * s
        })
        .collect()
});

/// Develops a square linear picture. `grain` gives the sensor noise.
pub fn develop(mut light: Vec<Vec3>, side: usize, c: &Camera, grain: &mut Stream) -> Image {
    blur(&mut light, side, c.blur);
    let mut pixels = Vec::with_capacity(3 * side * side);
    let tones = &*SRGB;
    for p in &light {
        let gray = 0.25 * p[0] + 0.65 * p[1] + 0.1 * p[2];
        let bits = grain.next_u64();
        for (k, (value, gain)) in p.iter().zip(c.balance).enumerate() {
            let v = (gray + (value - gray) * c.saturation) * gain;
            let tone = tones[(v.clamp(0.0, 1.0) * TONES as f32) as usize];
            // The sum of two bytes is nearly normal with deviation 104.5.
            let pair = (bits >> (16 * k)) as u16;
            let noise = f32::from(pair & 0xFF) + f32::from(pair >> 8) - 255.0;
            let v = 128.0 + (tone - 128.0) * c.contrast + noise * (c.noise / 104.5);
            pixels.push((v + 0.5).clamp(0.0, 255.0) as u8);
        }
    }
    Image {
        width: side,
        height: side,
        pixels,
    }
}

/// A Gaussian of the given sigma (pixels), separable, 7 taps; edges repeat.
fn blur(light: &mut [Vec3], n: usize, sigma: f32) {
    let mut taps = [0.0f32; 4];
    for (i, t) in taps.iter_mut().enumerate() {
        *t = libm::expf(-((i * i) as f32) / (2.0 * sigma * sigma));
    }
    let total = taps[0] + 2.0 * (taps[1] + taps[2] + taps[3]);
    let reach = if taps[3] / total > 0.004 {
        3
    } else if taps[2] / total > 0.004 {
        2
    } else {
        1
    };
    let total = taps[0] + 2.0 * taps[1..=reach].iter().sum::<f32>();
    for t in &mut taps {
        *t /= total;
    }
    let mut across = vec![[0.0f32; 3]; n * n];
    for (out, row) in across.chunks_exact_mut(n).zip(light.chunks_exact(n)) {
        for (o, p) in out.iter_mut().zip(row) {
            *o = scale(*p, taps[0]);
        }
        for (d, t) in taps.iter().enumerate().take(reach + 1).skip(1) {
            for (x, o) in out.iter_mut().enumerate() {
                let (l, r) = (row[x.max(d) - d], row[(x + d).min(n - 1)]);
                for k in 0..3 {
                    o[k] += t * (l[k] + r[k]);
                }
            }
        }
    }
    for (y, out) in light.chunks_exact_mut(n).enumerate() {
        for (o, p) in out.iter_mut().zip(&across[y * n..]) {
            *o = scale(*p, taps[0]);
        }
        for (d, t) in taps.iter().enumerate().take(reach + 1).skip(1) {
            let (up, down) = (
                &across[(y.max(d) - d) * n..],
                &across[(y + d).min(n - 1) * n..],
            );
            for ((o, u), w) in out.iter_mut().zip(up).zip(down) {
                for k in 0..3 {
                    o[k] += t * (u[k] + w[k]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_the_sum_of_light() {
        let n = 20;
        let mut light = vec![[0.0; 3]; n * n];
        light[8 * n + 8] = [1.0, 2.0, 3.0];
        blur(&mut light, n, 1.2);
        let sum: f32 = light.iter().map(|p| p[2]).sum();
        assert!((sum - 3.0).abs() < 1e-3, "{sum}");
        assert!(light[8 * n + 10][0] > 0.0);
    }
}
