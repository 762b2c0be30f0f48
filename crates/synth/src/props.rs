//! Ears and glasses: small meshes fastened to the head.

use super::condition::Glasses;
use super::head::{COLS, ROWS, TEMPLATE};
use super::identity::Ear;
use super::math::{Vec3, add, cross, mix, normalize, scale};
use std::sync::LazyLock;

const RING: usize = 14;
const RADII: [f32; 4] = [0.05, 0.55, 0.85, 1.0];

/// A mesh with a shade for each vertex (how much light reaches it).
#[derive(Clone, Debug, Default)]
pub struct Mesh {
    pub points: Vec<Vec3>,
    pub normals: Vec<Vec3>,
    pub shade: Vec<f32>,
    pub triangles: Vec<[u32; 3]>,
}

/// Grid vertices where the right and the left ear grow.
static ROOTS: LazyLock<[usize; 2]> = LazyLock::new(|| {
    let nearest = |azimuth: f32| {
        let far = |i: usize| {
            let v = &TEMPLATE.vertices[i];
            (v.azimuth - azimuth).abs() * 7.0 + (v.smooth[1] + 0.9).abs()
        };
        (0..ROWS * COLS)
            .min_by(|&a, &b| far(a).total_cmp(&far(b)))
            .unwrap_or(0)
    };
    [nearest(1.62), nearest(-1.62)]
});

/// Both ears of a head given by its grid.
pub fn ears(head: &[Vec3], e: &Ear, growth: f32) -> Mesh {
    let mut mesh = Mesh::default();
    for (root, side) in ROOTS.iter().zip([1.0f32, -1.0]) {
        let size = e.size * (1.0 + 0.08 * growth);
        let root = add(head[*root], [0.05 * side, e.height, 0.0]);
        let turn = 0.25 + 0.75 * e.flare;
        let up = normalize([0.12 * side, 1.0, -0.18]);
        let back = [side * libm::sinf(turn), -0.05, -libm::cosf(turn)];
        let out = scale(normalize(cross(back, up)), -side);
        let first = mesh.points.len() as u32;
        for (j, radius) in RADII.iter().enumerate() {
            for i in 0..RING {
                let phi = i as f32 / RING as f32 * 2.0 * std::f32::consts::PI;
                let (s, c) = (libm::sinf(phi), libm::cosf(phi));
                let narrow = 0.8 + 0.25 * s - if s < -0.5 { 0.12 * (1.0 - e.lobe) } else { 0.0 };
                let along = scale(up, 3.05 * size * s * radius);
                let across = scale(back, 1.65 * size * (0.75 + narrow * c * radius));
                let bulge = [-0.25, 0.0, 0.38, 0.12][j];
                mesh.points
                    .push(add(add(root, along), add(across, scale(out, bulge))));
                let tilt = [0.0, -0.5, 0.1, 0.7][j];
                let n = add(out, scale(add(scale(up, s), scale(back, c)), tilt));
                mesh.normals.push(normalize(n));
                mesh.shade.push([0.42, 0.62, 0.95, 0.9][j]);
            }
        }
        let ring = RING as u32;
        for j in 0..RADII.len() as u32 - 1 {
            for i in 0..ring {
                let (a, b) = (first + j * ring + i, first + j * ring + (i + 1) % ring);
                mesh.triangles.push([a, b, a + ring]);
                mesh.triangles.push([b, b + ring, a + ring]);
            }
        }
    }
    mesh
}

/// Glasses on the eyes and the bridge of the nose; `shade` is 1 on the frame and 0 on lenses.
pub fn glasses(g: &Glasses, eyes: [Vec3; 2], bridge: Vec3, ears: [f32; 2]) -> Mesh {
    const AROUND: usize = 20;
    let mut mesh = Mesh::default();
    let plane = (bridge[2] + 0.35).max(eyes[0][2].max(eyes[1][2]) + 1.3);
    let place = |x: f32, y: f32| [x, y, plane - 0.022 * x * x];
    for (eye, side) in eyes.iter().zip([-1.0f32, 1.0]) {
        let first = mesh.points.len() as u32;
        let center = [eye[0] + 0.12 * side, eye[1] - 0.25];
        for i in 0..AROUND {
            let phi = i as f32 / AROUND as f32 * 2.0 * std::f32::consts::PI;
            let (s, c) = (libm::sinf(phi), libm::cosf(phi));
            // Between an ellipse and a rounded rectangle.
            let r = mix(1.0, (1.0 / s.abs().max(c.abs())).min(1.22), g.square);
            for grow in [0.0, g.frame] {
                let x = center[0] + (g.lens[0] + grow) * c * r;
                let y = center[1] + (g.lens[1] + grow) * s * r;
                mesh.points.push(place(x, y));
                mesh.shade.push(1.0);
            }
        }
        for i in 0..AROUND as u32 {
            let (a, b) = (first + 2 * i, first + 2 * ((i + 1) % AROUND as u32));
            mesh.triangles.push([a, a + 1, b]);
            mesh.triangles.push([b, a + 1, b + 1]);
        }
        if g.dark {
            let lens = mesh.points.len() as u32;
            for i in 0..AROUND as u32 {
                mesh.points.push(mesh.points[(first + 2 * i) as usize]);
                mesh.shade.push(0.0);
            }
            for i in 1..AROUND as u32 - 1 {
                mesh.triangles.push([lens, lens + i, lens + i + 1]);
            }
        }
        // The temple, back to the ear.
        let x = center[0] + side * (g.lens[0] + 0.5 * g.frame);
        let y = center[1] + 0.45 * g.lens[1];
        let back = ears[usize::from(side > 0.0)];
        let half = 0.6 * g.frame;
        quad(
            &mut mesh,
            [
                add(place(x, y), [0.0, half, 0.0]),
                add(place(x, y), [0.0, -half, 0.0]),
                [back + 0.15 * side, y + 0.2 - half, 0.0],
                [back + 0.15 * side, y + 0.2 + half, 0.0],
            ],
        );
    }
    let inner = [eyes[0][0] + g.lens[0], eyes[1][0] - g.lens[0]];
    let y = 0.5 * (eyes[0][1] + eyes[1][1]) + 0.1;
    let half = 0.5 * g.frame;
    quad(
        &mut mesh,
        [
            place(inner[0], y + half),
            place(inner[0], y - half),
            place(inner[1], y - half),
            place(inner[1], y + half),
        ],
    );
    mesh.normals = vec![[0.0, 0.0, 1.0]; mesh.points.len()];
    mesh
}

fn quad(mesh: &mut Mesh, corners: [Vec3; 4]) {
    let a = mesh.points.len() as u32;
    mesh.points.extend(corners);
    mesh.shade.extend([1.0; 4]);
    mesh.triangles.push([a, a + 1, a + 2]);
    mesh.triangles.push([a, a + 2, a + 3]);
}
