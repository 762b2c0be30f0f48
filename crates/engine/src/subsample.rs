//! Every `stride`th pixel, and the way back.

/// Copies the pixels of `x`, images of `[h, w, c]`, whose row and column `stride` divides.
pub fn forward(x: &[f32], [h, w, c]: [usize; 3], stride: usize, y: &mut [f32]) {
    let picked = x.chunks_exact(h * w * c).flat_map(|image| {
        let rows = image.chunks_exact(w * c).step_by(stride);
        rows.flat_map(move |row| row.chunks_exact(c).step_by(stride))
    });
    for (to, from) in y.chunks_exact_mut(c).zip(picked) {
        to.copy_from_slice(from);
    }
}

/// The gradient of `x`: that of its pixel where there is one, else 0.
pub fn backward(dy: &[f32], [h, w, c]: [usize; 3], stride: usize, dx: &mut [f32]) {
    dx.fill(0.0);
    let picked = dx.chunks_exact_mut(h * w * c).flat_map(|image| {
        let rows = image.chunks_exact_mut(w * c).step_by(stride);
        rows.flat_map(move |row| row.chunks_exact_mut(c).step_by(stride))
    });
    for (from, to) in dy.chunks_exact(c).zip(picked) {
        to.copy_from_slice(from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_go_there_and_back() {
        // Two images of 3 x 5 pixels with two channels.
        let x: Vec<f32> = (0..60).map(|i| i as f32).collect();
        let mut y = vec![0.0; 2 * 2 * 3 * 2];
        forward(&x, [3, 5, 2], 2, &mut y);
        let first = [0, 4, 8, 20, 24, 28].map(|i| [i as f32, (i + 1) as f32]);
        assert_eq!(y[..12], first.concat());
        assert_eq!(y[12], 30.0);
        let mut dx = vec![7.0; 60];
        backward(&y, [3, 5, 2], 2, &mut dx);
        let mut again = vec![0.0; 24];
        forward(&dx, [3, 5, 2], 2, &mut again);
        assert_eq!(again, y);
        assert_eq!(dx.iter().sum::<f32>(), y.iter().sum::<f32>());
    }
}
