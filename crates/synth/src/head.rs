//! The template head: a fixed grid of vertices around a vertical axis.
//!
//! Units are centimetres. x points to the picture's right, y up, z out of the face; the eyes
//! lie on y = 0 and the ears near z = 0. A vertex has *surface coordinates* - its place on the
//! smooth head without features - by which morphs and paint address it, so that paint moves
//! with the geometry.

use super::math::{Vec3, add, blob, cross, mix, normalize, smoothstep, sub};
use std::f32::consts::PI;
use std::sync::LazyLock;

/// Grid size: columns go once around the head, the last one repeats the first.
pub const COLS: usize = 73;
pub const ROWS: usize = 70;

/// Landmarks of the template in surface coordinates: eyes, nose tip, corners of the mouth,
/// each pair with the picture's left one first.
pub const LANDMARKS: [[f32; 2]; 5] = [
    [-3.15, 0.0],
    [3.15, 0.0],
    [0.0, -3.6],
    [-2.6, -7.3],
    [2.6, -7.3],
];

/// One vertex of the template.
#[derive(Clone, Copy, Debug)]
pub struct Vertex {
    /// Surface coordinates.
    pub smooth: Vec3,
    /// Azimuth in radians: 0 in front, positive to the picture's right.
    pub azimuth: f32,
    /// Place on the mean head, features included.
    pub mean: Vec3,
}

pub struct Template {
    /// `ROWS * COLS` grid vertices, then the five landmarks.
    pub vertices: Vec<Vertex>,
}

pub static TEMPLATE: LazyLock<Template> = LazyLock::new(Template::new);

/// Sections of the smooth head from the crown to the neck: y, half width, z of the front,
/// z of the back, roundness of the front (1 is an ellipse, less is flatter).
const SECTIONS: [[f32; 5]; 17] = [
    [11.4, 0.05, -0.9, -1.1, 1.0],
    [11.0, 2.6, 2.2, -4.4, 1.0],
    [9.9, 4.7, 5.0, -7.2, 0.95],
    [8.0, 6.3, 7.4, -9.2, 0.85],
    [5.5, 7.1, 8.7, -10.0, 0.78],
    [2.5, 7.35, 9.2, -10.1, 0.74],
    [0.0, 7.15, 9.1, -9.6, 0.74],
    [-2.5, 6.95, 9.1, -8.8, 0.78],
    [-5.0, 6.6, 9.1, -7.4, 0.86],
    [-7.3, 6.1, 9.1, -6.3, 0.95],
    [-9.2, 5.3, 8.9, -5.8, 1.0],
    [-10.6, 4.5, 8.5, -5.6, 1.05],
    [-11.5, 4.1, 7.4, -5.6, 1.05],
    [-12.1, 4.4, 5.4, -5.6, 1.0],
    [-13.0, 4.8, 4.2, -5.7, 1.0],
    [-15.0, 5.1, 3.8, -6.0, 1.0],
    [-19.0, 5.6, 3.6, -6.4, 1.0],
];

/// The section at height `y`, by Catmull-Rom between the rows of the table.
fn section(y: f32) -> [f32; 5] {
    let n = SECTIONS.len();
    let mut i = 0;
    while i + 2 < n && y < SECTIONS[i + 1][0] {
        i += 1;
    }
    let (a, b) = (SECTIONS[i], SECTIONS[i + 1]);
    let (p, q) = (SECTIONS[i.max(1) - 1], SECTIONS[(i + 2).min(n - 1)]);
    let span = b[0] - a[0];
    let t = ((y - a[0]) / span).clamp(0.0, 1.0);
    let mut out = [y, 0.0, 0.0, 0.0, 0.0];
    for k in 1..5 {
        let slope = |l: [f32; 5], r: [f32; 5]| (r[k] - l[k]) / (r[0] - l[0]) * span;
        let (m0, m1) = (
            if i == 0 { slope(a, b) } else { slope(p, b) },
            if i + 2 == n { slope(a, b) } else { slope(a, q) },
        );
        let (t2, t3) = (t * t, t * t * t);
        out[k] = (2.0 * t3 - 3.0 * t2 + 1.0) * a[k]
            + (t3 - 2.0 * t2 + t) * m0
            + (3.0 * t2 - 2.0 * t3) * b[k]
            + (t3 - t2) * m1;
    }
    out
}

/// The smooth head at height `y` and azimuth `theta`.
pub fn smooth(y: f32, theta: f32) -> Vec3 {
    let [_, w, front, back, round] = section(y);
    let (s, c) = (libm::sinf(theta), libm::cosf(theta));
    let z = if c >= 0.0 {
        front.max(0.0) * libm::powf(c, round) + front.min(0.0) * c
    } else {
        -back * c
    };
    [w.max(0.03) * s, y, z]
}

/// The point of the smooth head's front over `(x, y)`, and its azimuth.
fn front_over(x: f32, y: f32) -> (Vec3, f32) {
    let theta = libm::asinf((x / section(y)[1]).clamp(-1.0, 1.0));
    (smooth(y, theta), theta)
}

/// What makes the smooth head a face: the mean person's features, as a displacement.
fn relief(p: Vec3) -> Vec3 {
    let (x, y) = (p[0].abs(), p[1]);
    let side = if p[0] < 0.0 { -1.0 } else { 1.0 };
    if p[2] < 0.0 {
        return [0.0; 3];
    }
    // The ridge of the nose grows and widens towards the tip and ends in a steep underside.
    let t = ((0.9 - y) / 4.5).clamp(0.0, 1.0);
    let half = 0.95 + 0.75 * t;
    let ridge = (0.35 + 2.15 * t * (0.75 + 0.25 * t))
        * smoothstep(2.1, 0.6, y)
        * smoothstep(-4.75, -3.75, y)
        * blob(x, 0.0, 0.0, 0.0, half, 1.0);
    let across = |half: f32| blob(x, 0.0, 0.0, 0.0, half, 1.0);
    let line = |at: f32, half: f32| blob(0.0, y, 0.0, at, 1.0, half);
    let dz = ridge + 0.8 * blob(x, y, 1.3, -3.95, 0.95, 0.8)
        - 0.25 * blob(x, y, 2.25, -4.1, 0.6, 0.8)
        - 0.95 * blob(x, y, 2.9, 0.2, 3.0, 1.8)
        - 0.45 * blob(x, y, 1.5, 0.35, 1.1, 1.3)
        + 0.55 * blob(x, y, 3.15, 0.0, 2.0, 1.35)
        + 0.4 * blob(x, y, 2.9, 2.0, 3.6, 1.3)
        + 0.35 * blob(x, y, 4.5, -2.3, 2.9, 2.3)
        - 0.25 * blob(x, y, 4.2, -5.6, 2.4, 2.4)
        + 0.5 * blob(x, y, 0.0, -6.9, 4.6, 3.4)
        + 0.42 * across(2.9) * line(-6.8, 0.75)
        + 0.5 * across(2.5) * line(-7.95, 0.85)
        - 0.3 * across(3.2) * line(-7.32, 0.38)
        - 0.25 * blob(x, y, 2.75, -7.3, 0.9, 0.9)
        - 0.42 * across(2.8) * line(-9.0, 0.9)
        + 0.55 * blob(x, y, 0.0, -10.3, 2.7, 1.8)
        - 0.14 * blob(x, y, 0.0, -5.7, 0.6, 1.5);
    let dx = 0.3 * blob(x, y, 5.6, -2.2, 3.0, 2.6);
    let dy = -0.35 * blob(x, y, 0.0, -3.9, 1.8, 1.0);
    [side * dx, dy, dz]
}

impl Template {
    fn new() -> Self {
        let mut vertices = Vec::with_capacity(ROWS * COLS + 5);
        for row in 0..ROWS {
            let y = height(row);
            for col in 0..COLS {
                // Columns are denser in front, where the features are.
                let s = col as f32 / (COLS - 1) as f32 * 2.0 - 1.0;
                let theta = PI * (0.48 * s + 0.52 * s * s * s);
                vertices.push(vertex(smooth(y, theta), theta));
            }
        }
        for [x, y] in LANDMARKS {
            let (p, theta) = front_over(x, y);
            vertices.push(vertex(p, theta));
        }
        Template { vertices }
    }
}

fn vertex(smooth: Vec3, azimuth: f32) -> Vertex {
    Vertex {
        smooth,
        azimuth,
        mean: add(smooth, relief(smooth)),
    }
}

/// Height of a row: 12 rows over the skull, 50 over the face, 8 down the neck.
fn height(row: usize) -> f32 {
    let r = row as f32;
    if row < 12 {
        let t = 1.0 - r / 12.0;
        // A dome: rows crowd towards the crown.
        mix(5.0, 11.4, 1.0 - (1.0 - t) * (1.0 - t))
    } else if row < 62 {
        mix(5.0, -12.1, (r - 12.0) / 50.0)
    } else {
        mix(-12.1, -19.0, (r - 61.0) / 8.0)
    }
}

/// Normals of the grid's vertices, from the differences to their neighbours.
pub fn normals(p: &[Vec3]) -> Vec<Vec3> {
    let mut out = Vec::with_capacity(ROWS * COLS);
    for row in 0..ROWS {
        let (up, down) = (row.max(1) - 1, (row + 1).min(ROWS - 1));
        for col in 0..COLS {
            // Column 0 and the last one are the same seam.
            let left = if col == 0 { COLS - 2 } else { col - 1 };
            let right = if col == COLS - 1 { 1 } else { col + 1 };
            let across = sub(p[row * COLS + right], p[row * COLS + left]);
            let along = sub(p[up * COLS + col], p[down * COLS + col]);
            out.push(normalize(cross(across, along)));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::dot;

    #[test]
    fn the_template_is_symmetric_and_its_nose_stands_out() {
        let t = &*TEMPLATE;
        for row in 0..ROWS {
            for col in 0..COLS {
                let a = t.vertices[row * COLS + col].mean;
                let b = t.vertices[row * COLS + COLS - 1 - col].mean;
                assert!((a[0] + b[0]).abs() < 1e-4 && (a[2] - b[2]).abs() < 1e-4);
            }
        }
        let mark = |i: usize| t.vertices[ROWS * COLS + i].mean;
        assert!(mark(2)[2] > mark(0)[2] + 2.0);
        assert!(mark(0)[0] < mark(1)[0] && mark(3)[0] < mark(4)[0]);
    }

    #[test]
    fn normals_point_outwards() {
        let p: Vec<Vec3> = TEMPLATE.vertices.iter().map(|v| v.mean).collect();
        let n = normals(&p);
        let mut outward = 0;
        for row in 10..60 {
            for col in 0..COLS {
                let at = p[row * COLS + col];
                outward += usize::from(dot([at[0], 0.0, at[2]], n[row * COLS + col]) > 0.0);
            }
        }
        assert!(outward > 50 * COLS * 97 / 100, "{outward}");
    }
}
