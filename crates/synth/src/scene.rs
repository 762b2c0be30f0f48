//! One person under one condition, as triangles before the camera, and the landmarks.

use super::condition::Condition;
use super::hair::{self, SHELL_COLS, SHELL_ROWS, Strand};
use super::head::{self, COLS, ROWS, TEMPLATE};
use super::identity::Identity;
use super::math::{Vec3, add, dot, scale, smoothstep, sub};
use super::morph::{self, image};
use super::paint::masked;
use super::props::{self, Mesh};
use super::raster::Layer;
use super::world::CROP;
use frbench_data::align::{Landmarks, Similarity, TEMPLATE_112};

/// Pixels of the picture beyond the corners of the crop, for blur and interpolation.
const MARGIN: f64 = 5.0;

/// Pixels per centimetre at zoom 1: the eyes of the mean head are as far apart as in the
/// template of the crop.
pub const SCALE: f32 = 5.6;

/// Grid vertex at the root of the nose: row 25 is at y = 0.55, the middle column is the midline.
const BRIDGE: usize = 25 * COLS + COLS / 2;

/// Grid vertex at the side of the head, as high as the eyes.
const SIDE: usize = 25 * COLS + COLS - 13;

/// The turning point of the head, cm.
const PIVOT: Vec3 = [0.0, -2.0, 1.0];

/// Vertices of one kind: on the screen, and what shading needs.
#[derive(Default)]
pub struct Body {
    /// Pixels right, pixels down, depth in cm towards the camera.
    pub screen: Vec<Vec3>,
    pub normals: Vec<Vec3>,
}

pub struct Scene {
    /// Side of the picture, pixels: just large enough to hold the crop.
    pub side: usize,
    /// Head grid, then ears, then glasses.
    pub body: Body,
    pub ears: Mesh,
    pub glasses: Option<Mesh>,
    pub shell: Vec<Strand>,
    pub hair: Body,
    /// The visor of a cap: vertices after the shell's.
    pub visor: Vec<[u32; 3]>,
    /// True landmarks in the picture.
    pub landmarks: Landmarks,
    /// What the detector says.
    pub detected: Landmarks,
}

/// The head's vertices in head coordinates: grid and landmarks.
fn shape(id: &Identity, c: &Condition) -> Vec<Vec3> {
    let mut w = [0.0f32; morph::COUNT];
    let aged = (c.age - 40.0) / 30.0;
    for (w, (shape, drift)) in w.iter_mut().zip(id.shape.iter().zip(&id.aging.drift)) {
        *w = shape + drift * aged;
    }
    let e = &c.expression;
    let old = smoothstep(30.0, 78.0, c.age);
    w[image::SMILE] = e.smile;
    w[image::OPEN] = e.open;
    w[image::PUCKER] = e.pucker;
    w[image::BROW_RAISE] = e.brow_raise;
    w[image::FROWN] = e.frown;
    w[image::WEIGHT] = c.weight + id.aging.weight * 1.1 * smoothstep(22.0, 65.0, c.age);
    w[image::SAG] = old * id.aging.sag;
    w[image::NOSE_GROWTH] = old * id.aging.growth;
    w[image::LIP_LOSS] = old;
    let mut p = morph::apply(&w);
    if c.mask.is_some() {
        // The landmarks stay on the face below.
        for (q, v) in p[..ROWS * COLS].iter_mut().zip(&TEMPLATE.vertices) {
            let m = masked(v.smooth);
            if m > 0.0 {
                // Cloth hangs from the nose instead of following the relief.
                let relief = sub(v.mean, v.smooth);
                let tent = 1.6
                    * (1.0 - (v.smooth[0] / 6.0) * (v.smooth[0] / 6.0)).max(0.0)
                    * smoothstep(-12.0, -6.0, v.smooth[1]);
                *q = sub(*q, scale(relief, m));
                q[2] += m * (0.35 + tent);
            }
        }
    }
    p
}

/// Rotation by pitch, yaw and roll: rows of the matrix.
fn rotation(c: &Condition) -> [Vec3; 3] {
    let (sy, cy) = (libm::sinf(c.yaw), libm::cosf(c.yaw));
    let (sp, cp) = (libm::sinf(-c.pitch), libm::cosf(-c.pitch));
    let (sr, cr) = (libm::sinf(c.roll), libm::cosf(c.roll));
    let yaw = [[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]];
    let pitch = [[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]];
    let roll = [[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]];
    times(roll, times(pitch, yaw))
}

fn times(a: [Vec3; 3], b: [Vec3; 3]) -> [Vec3; 3] {
    let column = |k: usize| [b[0][k], b[1][k], b[2][k]];
    a.map(|row| {
        [
            dot(row, column(0)),
            dot(row, column(1)),
            dot(row, column(2)),
        ]
    })
}

fn turn(m: &[Vec3; 3], p: Vec3) -> Vec3 {
    [dot(m[0], p), dot(m[1], p), dot(m[2], p)]
}

/// A pinhole camera that looks along -z at the turned head.
struct Camera {
    rotation: [Vec3; 3],
    distance: f32,
    zoom: f32,
    shift: [f32; 2],
}

impl Camera {
    fn project(&self, p: Vec3) -> Vec3 {
        let q = turn(&self.rotation, sub(p, PIVOT));
        // The face's front is 8 cm before the pivot; the scale is right there.
        let s = self.zoom * SCALE * (self.distance - 8.0) / (self.distance - q[2]);
        [self.shift[0] + s * q[0], self.shift[1] - s * q[1], q[2]]
    }

    fn body(
        &self,
        points: impl Iterator<Item = Vec3>,
        normals: impl Iterator<Item = Vec3>,
    ) -> Body {
        Body {
            screen: points.map(|p| self.project(p)).collect(),
            normals: normals.map(|n| turn(&self.rotation, n)).collect(),
        }
    }
}

impl Scene {
    /// In a picture just large enough for the aligned crop.
    pub fn new(id: &Identity, c: &Condition) -> Self {
        Self::framed(id, c, frame)
    }

    /// In the picture that `frame` says: its side, and where the turning point of the head lies
    /// in it, in pixels. It is told where the detector sees the landmarks from that point.
    pub fn framed(
        id: &Identity,
        c: &Condition,
        frame: impl FnOnce(&Landmarks) -> (usize, [f64; 2]),
    ) -> Self {
        let points = shape(id, c);
        let (grid, marks) = points.split_at(ROWS * COLS);
        let normals = head::normals(grid);
        let mut camera = Camera {
            rotation: rotation(c),
            distance: c.distance,
            zoom: c.zoom,
            shift: [0.0; 2],
        };
        let (mut landmarks, mut detected) = ([[0.0; 2]; 5], [[0.0; 2]; 5]);
        for k in 0..5 {
            let p = camera.project(marks[k]);
            let error = c.detector[k].map(|e| e * c.zoom * SCALE);
            landmarks[k] = [f64::from(p[0]), f64::from(p[1])];
            detected[k] = [f64::from(p[0] + error[0]), f64::from(p[1] + error[1])];
        }
        // Names follow the picture: in a full profile the pairs may change sides.
        for (a, b) in [(0, 1), (3, 4)] {
            if detected[a][0] > detected[b][0] && c.roll.abs() < 0.8 {
                detected.swap(a, b);
                landmarks.swap(a, b);
            }
        }
        let (side, shift) = frame(&detected);
        for p in landmarks.iter_mut().chain(&mut detected) {
            *p = [p[0] + shift[0], p[1] + shift[1]];
        }
        camera.shift = shift.map(|v| v as f32);
        let old = smoothstep(30.0, 78.0, c.age) * id.aging.growth;
        let ears = props::ears(grid, &id.ear, old);
        let bridge = grid[BRIDGE];
        let glasses = c.glasses.as_ref().map(|g| {
            let half = grid[SIDE][0].abs();
            props::glasses(g, [marks[0], marks[1]], bridge, [-half, half])
        });
        let extra = glasses.iter();
        let body = camera.body(
            grid.iter()
                .chain(&ears.points)
                .chain(extra.clone().flat_map(|g| &g.points))
                .copied(),
            normals
                .iter()
                .chain(&ears.normals)
                .chain(extra.flat_map(|g| &g.normals))
                .copied(),
        );
        let mut shell = hair::shell(grid, &normals, &id.hairline, c);
        let visor = visor(&mut shell, c);
        let places: Vec<Vec3> = shell.iter().map(|s| s.place).collect();
        let hair = camera.body(places.iter().copied(), shell_normals(&places).into_iter());
        Scene {
            side,
            body,
            ears,
            glasses,
            shell,
            hair,
            visor,
            landmarks,
            detected,
        }
    }

    /// The solid layer: head, ears, glasses.
    pub fn solids(&self) -> Layer {
        let mut layer = Layer::new(self.side);
        let p = &self.body.screen;
        for row in 0..ROWS - 1 {
            for col in 0..COLS - 1 {
                for t in quad(row, col, COLS) {
                    layer.triangle(p, t, false, |_, _| true);
                }
            }
        }
        let mut first = (ROWS * COLS) as u32;
        for mesh in std::iter::once(&self.ears).chain(&self.glasses) {
            for t in &mesh.triangles {
                layer.triangle(p, t.map(|i| i + first), true, |_, _| true);
            }
            first += mesh.points.len() as u32;
        }
        layer
    }

    /// The layer of hair and hat.
    pub fn hairs(&self) -> Layer {
        let mut layer = Layer::new(self.side);
        let p = &self.hair.screen;
        for row in 0..SHELL_ROWS - 1 {
            for col in 0..SHELL_COLS - 1 {
                for t in quad(row, col, SHELL_COLS) {
                    let d = t.map(|i| self.shell[i as usize].inside);
                    if d.iter().all(|d| *d <= -0.3) {
                        continue;
                    }
                    layer.triangle(p, t, true, |u, v| {
                        d[0] * (1.0 - u - v) + d[1] * u + d[2] * v > -0.3
                    });
                }
            }
        }
        for t in &self.visor {
            layer.triangle(p, *t, true, |_, _| true);
        }
        layer
    }
}

/// Two triangles of a grid's cell, counter-clockwise seen from outside.
fn quad(row: usize, col: usize, cols: usize) -> [[u32; 3]; 2] {
    let a = (row * cols + col) as u32;
    let below = a + cols as u32;
    [[a, below, below + 1], [a, below + 1, a + 1]]
}

/// Side of the picture, and where its origin must lie, for the aligned crop to be in its
/// middle.
fn frame(detected: &Landmarks) -> (usize, [f64; 2]) {
    let Some(align) = Similarity::fit(detected, &TEMPLATE_112) else {
        return (CROP, [0.0; 2]);
    };
    let fit = align.inverse();
    let half = (CROP as f64 - 1.0) / 2.0 * (fit.a.abs() + fit.b.abs()) + MARGIN;
    // Bounded, should landmarks ever fall together.
    let side = (2.0 * half).clamp(16.0, 640.0) as usize + 1;
    let at = fit.apply([55.5, 55.5]);
    let middle = (side as f64 - 1.0) / 2.0;
    (side, [middle - at[0], middle - at[1]])
}

fn shell_normals(p: &[Vec3]) -> Vec<Vec3> {
    let grid = SHELL_ROWS * SHELL_COLS;
    let at = |r: usize, c: usize| p[r * SHELL_COLS + c];
    let mut out = Vec::with_capacity(p.len());
    for r in 0..SHELL_ROWS {
        let (up, down) = (r.max(1) - 1, (r + 1).min(SHELL_ROWS - 1));
        for c in 0..SHELL_COLS {
            let left = if c == 0 { SHELL_COLS - 2 } else { c - 1 };
            let right = if c == SHELL_COLS - 1 { 1 } else { c + 1 };
            let n = super::math::cross(sub(at(r, right), at(r, left)), sub(at(up, c), at(down, c)));
            out.push(super::math::normalize(n));
        }
    }
    out.extend(std::iter::repeat_n([0.0, 0.8, 0.6], p.len() - grid));
    out
}

/// Adds the visor of a cap to the shell: a sheet in front of the rim.
fn visor(shell: &mut Vec<Strand>, c: &Condition) -> Vec<[u32; 3]> {
    let Some(hat) = c.hat.filter(|h| h.brim > 0.0) else {
        return Vec::new();
    };
    const ACROSS: usize = 12;
    let first = shell.len() as u32;
    for i in 0..=ACROSS {
        let a = (i as f32 / ACROSS as f32 - 0.5) * 2.0;
        let (s, q) = (libm::sinf(a), libm::cosf(a));
        let inner = [8.0 * s, hat.rim, 9.6 * q];
        let outer = add(inner, [0.0, -0.9, hat.brim * (1.0 - 0.8 * a * a).max(0.0)]);
        for place in [inner, outer] {
            shell.push(Strand {
                place,
                inside: 2.0,
                along: [a, 0.0],
                hat: true,
            });
        }
    }
    (0..ACROSS as u32)
        .flat_map(|i| {
            let a = first + 2 * i;
            [[a, a + 1, a + 2], [a + 2, a + 1, a + 3]]
        })
        .collect()
}
