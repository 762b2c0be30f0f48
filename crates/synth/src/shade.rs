//! Light on surfaces: from hits to a linear RGB picture.

use super::condition::Condition;
use super::hair;
use super::head::{COLS, ROWS, TEMPLATE};
use super::math::{
    Vec3, add, blob, dot, hash2, mix, mix3, mul3, noise, normalize, scale, smoothstep, unit,
};
use super::paint::{Paint, Texel};
use super::raster::Hit;
use super::scene::Scene;

/// Illumination prepared for one picture.
struct Lamp<'a> {
    c: &'a Condition,
    half: Vec3,
    other: Vec3,
}

impl<'a> Lamp<'a> {
    fn new(c: &'a Condition) -> Self {
        let d = c.light.direction;
        Lamp {
            c,
            half: normalize(add(d, [0.0, 0.0, 1.0])),
            other: normalize([-d[0], 0.2, 0.6]),
        }
    }

    fn on(&self, t: &Texel, n: Vec3) -> Vec3 {
        let l = &self.c.light;
        // Light bleeds around the terminator of skin.
        let wrap = |d: f32| ((d + 0.15) / 1.15).max(0.0);
        let key = wrap(dot(n, l.direction));
        let fill = l.fill * wrap(dot(n, self.other));
        let sky = 0.72 + 0.28 * n[1] + 0.1 * n[2];
        let light = add(scale(l.key, key + 0.5 * fill), scale(l.ambient, sky));
        let mut out = mul3(t.color, light);
        if t.gloss > 0.0 && key > 0.0 {
            let s = dot(n, self.half).max(0.0);
            let s2 = s * s;
            let s8 = s2 * s2 * s2 * s2;
            let shine = t.gloss * 0.32 * s8 * s8 * s2 * s2;
            out = add(out, scale(l.key, shine));
        }
        out
    }
}

/// The picture in linear light, before the camera, row by row.
pub fn picture(scene: &Scene, paint: &Paint, c: &Condition) -> Vec<Vec3> {
    picture_behind(scene, paint, c, |_, _| None)
}

/// The picture behind `front`: a surface and its normal at a pixel, or nothing.
pub fn picture_behind(
    scene: &Scene,
    paint: &Paint,
    c: &Condition,
    front: impl Fn(f32, f32) -> Option<(Texel, Vec3)>,
) -> Vec<Vec3> {
    let solids = scene.solids();
    let hairs = scene.hairs();
    let lamp = Lamp::new(c);
    let gain = exposure(paint.base(), c);
    let backdrop = Backdrop::new(c.seed, scene.side as f32);
    let grid = (ROWS * COLS) as u32;
    let ears = grid + scene.ears.points.len() as u32;
    let side = scene.side;
    let mut out = Vec::with_capacity(side * side);
    for y in 0..side {
        for x in 0..side {
            if let Some((texel, n)) = front(x as f32, y as f32) {
                out.push(scale(lamp.on(&texel, n), gain));
                continue;
            }
            let i = y * side + x;
            let (s, h) = (&solids.hits[i], &hairs.hits[i]);
            let cover = if h.is_some() && h.depth > s.depth - 0.15 {
                let d = h.lerp(|k| scene.shell[k].inside);
                if d > 0.6 || scene.shell[h.corners[0] as usize].hat {
                    1.0
                } else {
                    let along = h.lerp(|k| scene.shell[k].along[0]);
                    let ragged = 0.5 * (noise(along * 30.0, 0.0, c.seed) - 0.5);
                    smoothstep(-0.3, 0.35, d + ragged)
                }
            } else {
                0.0
            };
            let mut color = if cover >= 1.0 {
                [0.0; 3]
            } else if s.is_some() {
                let n = normalize(s.lerp3(|k| scene.body.normals[k]));
                let first = s.corners[0];
                let texel = if first < grid {
                    paint.at(s.lerp3(|k| TEMPLATE.vertices[k].smooth))
                } else if first < ears {
                    let shade = s.lerp(|k| scene.ears.shade[k - grid as usize]);
                    Texel {
                        color: mul3(paint.base(), [shade * 1.02, shade * 0.92, shade * 0.92]),
                        gloss: 0.15,
                    }
                } else {
                    spectacles(scene, s, c, ears)
                };
                let n = if n[2] < 0.0 { [n[0], n[1], 0.0] } else { n };
                scale(lamp.on(&texel, n), gain)
            } else {
                backdrop.at(x as f32, y as f32)
            };
            if cover > 0.0 {
                color = mix3(color, scale(cap(scene, h, c, &lamp), gain), cover);
            }
            out.push(color);
        }
    }
    out
}

fn spectacles(scene: &Scene, hit: &Hit, c: &Condition, first: u32) -> Texel {
    let (Some(g), Some(mesh)) = (&c.glasses, &scene.glasses) else {
        return Texel {
            color: [0.0; 3],
            gloss: 0.0,
        };
    };
    let frame = hit.lerp(|k| mesh.shade[k - first as usize]);
    if frame > 0.5 {
        Texel {
            color: g.color,
            gloss: 0.3,
        }
    } else {
        Texel {
            color: [0.012, 0.012, 0.014],
            gloss: 0.8,
        }
    }
}

/// Hair or hat at a hit of the shell.
fn cap(scene: &Scene, hit: &Hit, c: &Condition, lamp: &Lamp) -> Vec3 {
    let first = &scene.shell[hit.corners[0] as usize];
    let n = normalize(hit.lerp3(|k| scene.hair.normals[k]));
    // The inside of the shell, seen past its edge, gets little light.
    let away = n[2] < 0.0;
    let n = if away { scale(n, -1.0) } else { n };
    let color = match c.hat {
        Some(hat) if first.hat => hat.color,
        _ => {
            let along = [
                hit.lerp(|k| scene.shell[k].along[0]),
                hit.lerp(|k| scene.shell[k].along[1]),
            ];
            let inside = hit.lerp(|k| scene.shell[k].inside);
            scale(
                hair::color(&c.hair, along, c.seed),
                mix(0.6, 1.0, smoothstep(0.0, 1.5, inside)),
            )
        }
    };
    let gloss = if first.hat || away { 0.0 } else { 0.25 };
    let color = scale(color, if away { 0.4 } else { 1.0 });
    lamp.on(&Texel { color, gloss }, n)
}

/// The camera's automatic exposure: it half makes up for light and skin.
fn exposure(skin: Vec3, c: &Condition) -> f32 {
    let luminance = |v: Vec3| 0.25 * v[0] + 0.65 * v[1] + 0.1 * v[2];
    let light = 0.6 * luminance(c.light.key) + luminance(c.light.ambient);
    let tone = libm::powf(luminance(skin), 0.72);
    0.40 / (light * tone) * libm::exp2f(c.camera.exposure)
}

/// What is behind the person: a gradient and a few soft shapes.
pub struct Backdrop {
    colors: [Vec3; 2],
    middle: f32,
    slope: [f32; 2],
    shapes: Vec<([f32; 4], Vec3)>,
    grain: f32,
    seed: u32,
}

impl Backdrop {
    /// For a square picture of `side` pixels.
    pub fn new(seed: u32, side: f32) -> Self {
        let r = |k: i32| unit(hash2(k, 77, seed));
        let color = |k: i32| {
            let v = 0.02 + 0.8 * r(k) * r(k);
            [
                v * (0.6 + 0.6 * r(k + 1)),
                v * (0.6 + 0.6 * r(k + 2)),
                v * (0.6 + 0.6 * r(k + 3)),
            ]
        };
        let shapes = (0..(r(0) * 6.0) as i32)
            .map(|i| {
                let k = 20 + 10 * i;
                let size = |q: i32| side * (0.08 + 0.35 * r(q));
                (
                    [side * r(k), side * r(k + 1), size(k + 2), size(k + 3)],
                    color(k + 4),
                )
            })
            .collect();
        let slope = [(r(9) - 0.5) * 2.0 / side, (r(10) - 0.5) * 2.0 / side];
        Backdrop {
            colors: [color(1), color(5)],
            middle: 0.5 * side,
            slope,
            shapes,
            grain: 0.5 * r(11),
            seed,
        }
    }

    /// Linear light at a pixel.
    pub fn at(&self, x: f32, y: f32) -> Vec3 {
        let t = 0.5 + self.slope[0] * (x - self.middle) + self.slope[1] * (y - self.middle);
        let mut c = mix3(self.colors[0], self.colors[1], t.clamp(0.0, 1.0));
        for ([cx, cy, rx, ry], color) in &self.shapes {
            let w = blob(x, y, *cx, *cy, *rx, *ry);
            c = mix3(c, *color, (3.0 * w).min(1.0));
        }
        scale(
            c,
            1.0 + self.grain * (noise(x * 0.11, y * 0.11, self.seed) - 0.5),
        )
    }
}
