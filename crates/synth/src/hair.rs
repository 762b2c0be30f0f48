//! Hair and hats: a second shell over the skull, cut by a hairline.

use super::condition::{Condition, Hair};
use super::head::{COLS, ROWS, TEMPLATE};
use super::identity::Hairline;
use super::math::{Vec3, add, bell, mix, mix3, noise, scale, smoothstep};

/// The shell takes every second row and column of the head's grid.
pub const STEP: usize = 2;
pub const SHELL_COLS: usize = COLS.div_ceil(STEP);
pub const SHELL_ROWS: usize = ROWS.div_ceil(STEP);

/// A shell's vertex: its place, and how far inside the hair it lies (cm, negative outside).
#[derive(Clone, Copy, Debug)]
pub struct Strand {
    pub place: Vec3,
    pub inside: f32,
    /// Azimuth and height, along which strands run.
    pub along: [f32; 2],
    pub hat: bool,
}

/// Lower edge of short hair at an azimuth (radians), relative to a hairline of height 0 in
/// front: forehead, temple, sideburn, around the ear, nape.
const EDGE: [(f32, f32); 9] = [
    (0.0, 0.0),
    (0.55, -0.1),
    (0.85, -1.1),
    (1.05, -3.6),
    (1.2, -6.2),
    (1.38, -6.4),
    (1.6, -2.7),
    (2.0, -3.4),
    (2.3, -9.0),
];

fn edge(azimuth: f32) -> f32 {
    let a = azimuth.abs();
    for w in EDGE.windows(2) {
        let ((a0, y0), (a1, y1)) = (w[0], w[1]);
        if a <= a1 {
            return mix(y0, y1, ((a - a0) / (a1 - a0)).clamp(0.0, 1.0));
        }
    }
    EDGE[EDGE.len() - 1].1
}

/// Signed distance from the hairline, positive in the hair.
fn inside(line: &Hairline, c: &Condition, azimuth: f32, y: f32) -> f32 {
    let h = &c.hair;
    let a = azimuth.abs();
    let old = smoothstep(28.0, 65.0, c.age) * line.receding;
    let front = smoothstep(1.0, 0.6, a);
    let temple = bell((a - 0.62) * (a - 0.62) / 0.09);
    let peak = bell(a * a / 0.04);
    let mut low = line.height + edge(azimuth) + (line.temples * 0.8 + 1.6 * old) * temple
        - 0.5 * line.peak * peak
        + 2.6 * old * front;
    if h.fringe > 0.0 {
        let tilt = h.part * azimuth * 1.2;
        low -= (h.fringe + tilt).max(0.0) * smoothstep(0.95, 0.55, a);
    }
    let mut d = y - low + 1.5 * (noise(azimuth * 2.6 + 20.0, 1.0, c.seed ^ 0xED) - 0.5);
    if h.long {
        // Curtains on both sides, open in front.
        let opening = h.opening + 0.25 * smoothstep(0.0, -9.0, y) - 0.25 * smoothstep(2.0, 7.0, y);
        d = d.max((a - opening) * 6.0);
    }
    d
}

/// The shell over a head whose grid vertices and normals are given, in head coordinates.
pub fn shell(head: &[Vec3], normal: &[Vec3], line: &Hairline, c: &Condition) -> Vec<Strand> {
    let mut out = Vec::with_capacity(SHELL_ROWS * SHELL_COLS);
    for r in 0..SHELL_ROWS {
        for k in 0..SHELL_COLS {
            let i = r * STEP * COLS + k * STEP;
            let v = &TEMPLATE.vertices[i];
            let (y, azimuth) = (v.smooth[1], v.azimuth);
            let d = inside(line, c, azimuth, y);
            let lump = 0.75 + 0.5 * noise(azimuth * 2.0 + 9.0, y * 0.4, c.seed ^ 0x4A1);
            let thick = c.hair.volume * lump * smoothstep(-0.2, 2.2, d) + 0.12;
            let mut place = add(head[i], scale(normal[i], thick));
            if c.hair.long && y < 0.0 {
                // Falls straight instead of following the jaw and the neck.
                let (s, q) = (libm::sinf(azimuth), libm::cosf(azimuth));
                let w = 7.2 + c.hair.volume * lump;
                let hanging = [w * s, head[i][1], if q > 0.0 { 5.0 * q } else { 9.0 * q }];
                place = mix3(place, hanging, smoothstep(0.0, -4.0, y));
            }
            let mut strand = Strand {
                place,
                inside: d,
                along: [azimuth, y],
                hat: false,
            };
            if let Some(hat) = &c.hat {
                wear(&mut strand, hat.rim, v.smooth, head[i], normal[i]);
            }
            out.push(strand);
        }
    }
    out
}

/// Puts the hat's shell in place of the hair over its rim, and flattens the hair under it.
fn wear(s: &mut Strand, rim: f32, smooth: Vec3, head: Vec3, normal: Vec3) {
    let over = smooth[1] - rim;
    if over > -0.4 {
        s.place = add(head, scale(normal, 0.9 + 0.35 * smoothstep(0.0, 3.0, over)));
        s.inside = over + 0.4;
        s.hat = true;
    }
}

/// Colour of a point of the shell.
pub fn color(h: &Hair, along: [f32; 2], seed: u32) -> Vec3 {
    let streak = noise(along[0] * 26.0, along[1] * 0.5, seed ^ 0x57) - 0.5;
    let lock = noise(along[0] * 6.0 + 3.0, along[1] * 0.25, seed ^ 0x58) - 0.5;
    scale(h.color, (1.0 + 0.7 * streak + 0.5 * lock).max(0.2))
}
