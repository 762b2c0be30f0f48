//! A z-buffer rasteriser that remembers, for each pixel, the nearest triangle and the place
//! on it; shading comes afterwards, once for each visible pixel.

use super::math::Vec3;

/// What covers a pixel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// Towards the camera; `NEG_INFINITY` where nothing is.
    pub depth: f32,
    /// The triangle's vertices.
    pub corners: [u32; 3],
    /// Barycentric weights of the second and third.
    pub weights: [f32; 2],
}

const NOTHING: Hit = Hit {
    depth: f32::NEG_INFINITY,
    corners: [0; 3],
    weights: [0.0; 2],
};

/// A square layer of hits.
pub struct Layer {
    pub side: usize,
    pub hits: Vec<Hit>,
}

impl Layer {
    pub fn new(side: usize) -> Self {
        Layer {
            side,
            hits: vec![NOTHING; side * side],
        }
    }

    /// Draws a triangle of screen points (pixels right, pixels down, depth towards the
    /// camera). `shown` is asked with the weights before a hit is kept.
    #[inline]
    pub fn triangle(
        &mut self,
        points: &[Vec3],
        corners: [u32; 3],
        both_sides: bool,
        shown: impl Fn(f32, f32) -> bool,
    ) {
        let [a, b, c] = corners.map(|i| points[i as usize]);
        let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
        if area.abs() < 1e-9 || (area > 0.0 && !both_sides) {
            return;
        }
        let limit = self.side as f32 - 1.0;
        // Ceiling and floor, as conversions: the bounds are not negative.
        let low = |k: usize| {
            let v = a[k].min(b[k]).min(c[k]).max(0.0);
            v as usize + usize::from((v as usize as f32) < v)
        };
        let high = |k: usize| a[k].max(b[k]).max(c[k]).min(limit);
        if high(0) < 0.0 || high(1) < 0.0 {
            return;
        }
        let (x0, x1, y0, y1) = (low(0), high(0) as usize, low(1), high(1) as usize);
        if x0 > x1 || y0 > y1 {
            return;
        }
        let inverse = 1.0 / area;
        for y in y0..=y1 {
            let py = y as f32;
            for x in x0..=x1 {
                let px = x as f32;
                let u = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) * inverse;
                let v = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) * inverse;
                if u < -1e-5 || v < -1e-5 || u + v > 1.00001 {
                    continue;
                }
                let depth = a[2] + u * (b[2] - a[2]) + v * (c[2] - a[2]);
                let hit = &mut self.hits[y * self.side + x];
                if depth > hit.depth && shown(u, v) {
                    *hit = Hit {
                        depth,
                        corners,
                        weights: [u, v],
                    };
                }
            }
        }
    }
}

impl Hit {
    pub fn is_some(&self) -> bool {
        self.depth > f32::NEG_INFINITY
    }

    /// Interpolates a value of the vertices.
    pub fn lerp3(&self, of: impl Fn(usize) -> Vec3) -> Vec3 {
        let [a, b, c] = self.corners.map(|i| of(i as usize));
        let [u, v] = self.weights;
        let w = 1.0 - u - v;
        [
            a[0] * w + b[0] * u + c[0] * v,
            a[1] * w + b[1] * u + c[1] * v,
            a[2] * w + b[2] * u + c[2] * v,
        ]
    }

    pub fn lerp(&self, of: impl Fn(usize) -> f32) -> f32 {
        let [a, b, c] = self.corners.map(|i| of(i as usize));
        let [u, v] = self.weights;
        a * (1.0 - u - v) + b * u + c * v
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearer_triangle_wins_whatever_the_order() {
        let points = [
            [0.0, 0.0, 1.0],
            [0.0, 9.0, 1.0],
            [9.0, 0.0, 1.0],
            [0.0, 0.0, 2.0],
            [0.0, 9.0, 2.0],
            [9.0, 0.0, 2.0],
        ];
        for order in [[[0, 1, 2], [3, 4, 5]], [[3, 4, 5], [0, 1, 2]]] {
            let mut layer = Layer::new(10);
            for t in order {
                layer.triangle(&points, t, false, |_, _| true);
            }
            assert_eq!(layer.hits[22].depth, 2.0);
            assert_eq!(layer.hits[22].corners, [3, 4, 5]);
            assert!(!layer.hits[99].is_some());
        }
    }

    #[test]
    fn back_faces_are_dropped_and_weights_interpolate() {
        let points = [[0.0, 0.0, 0.0], [0.0, 8.0, 0.0], [8.0, 0.0, 0.0]];
        let mut layer = Layer::new(10);
        layer.triangle(&points, [0, 2, 1], false, |_, _| true);
        assert!(layer.hits.iter().all(|h| !h.is_some()));
        layer.triangle(&points, [0, 1, 2], false, |_, _| true);
        let p = layer.hits[2 * 10 + 3].lerp3(|i| points[i]);
        assert!((p[0] - 3.0).abs() < 1e-5 && (p[1] - 2.0).abs() < 1e-5);
    }
}
