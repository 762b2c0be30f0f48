//! Pictures of nobody: backgrounds, patterns, cloth and the like, for what is in a training set
//! by mistake.

use super::camera::develop;
use super::condition::{Condition, Hair};
use super::hair;
use super::math::{Vec3, bell, blob, floor, hash2, mix, mix3, noise, scale, smoothstep, unit};
use super::photo::SIDE;
use super::shade::Backdrop;
use super::world::CROP;
use frbench_base::rng::Stream;
use frbench_data::image::Image;
use frbench_data::resize::resize;
use std::f32::consts::TAU;

/// A picture without a face, 112 x 112 RGB. `number` and the condition's seed address what is
/// drawn; of the condition, only camera and hair matter.
pub fn texture(number: u64, c: &Condition) -> Image {
    let mut s = Stream::derive(u64::from(c.seed), "synth-texture", &[number]);
    let plane = Plane::draw(&mut s);
    let pattern = Pattern::draw(&mut s, c);
    let target = s.range(0.07, 0.45) as f32;
    // Light that falls off across the picture.
    let slope = [s.range(-0.8, 0.8) as f32, s.range(-0.8, 0.8) as f32];
    let mut light = Vec::with_capacity(SIDE * SIDE);
    for y in 0..SIDE {
        for x in 0..SIDE {
            let place = [x, y].map(|v| v as f32 / SIDE as f32 - 0.5);
            let lit = 1.0 + slope[0] * place[0] + slope[1] * place[1];
            let color = pattern.at(plane.at(place), [x as f32, y as f32]);
            light.push(scale(color, lit));
        }
    }
    // As a camera exposes: to the mean.
    let mean = light.iter().map(|p| p[1]).sum::<f32>() / light.len() as f32;
    let gain = (target / mean.max(1e-3)).min(8.0);
    light.iter_mut().for_each(|p| *p = scale(*p, gain));
    let mut grain = Stream::derive(u64::from(c.seed), "synth-grain", &[number]);
    resize(&develop(light, SIDE, &c.camera, &mut grain), CROP, CROP)
}

/// Where a pattern lies under the picture: turned, scaled, shifted and bent.
struct Plane {
    across: [f32; 2],
    shift: [f32; 2],
    bend: f32,
    seed: u32,
}

impl Plane {
    fn draw(s: &mut Stream) -> Self {
        let (turn, size) = (
            s.range(0.0, f64::from(TAU)) as f32,
            libm::exp2f(s.range(-1.0, 1.3) as f32),
        );
        Plane {
            across: [size * libm::cosf(turn), size * libm::sinf(turn)],
            shift: [s.range(1.0, 40.0) as f32, s.range(1.0, 40.0) as f32],
            bend: if s.chance(0.6) {
                s.range(0.0, 0.35) as f32
            } else {
                0.0
            },
            seed: s.next_u64() as u32,
        }
    }

    /// The plane's point under a point of the picture, whose middle is 0 and whose side is 1.
    fn at(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        let sway = |k: u32| self.bend * (noise(2.5 * x + 9.0, 2.5 * y + 9.0, self.seed ^ k) - 0.5);
        let (x, y) = (x + sway(1), y + sway(2));
        let [a, b] = self.across;
        [a * x - b * y + self.shift[0], b * x + a * y + self.shift[1]]
    }
}

/// What is on the plane, in linear light.
enum Pattern {
    /// Gratings of one direction, or of two.
    Bands {
        colors: [Vec3; 3],
        count: [f32; 2],
        edge: f32,
        crossed: bool,
    },
    /// Soft or sharp ellipses on a ground; they repeat.
    Spots {
        ground: Vec3,
        spots: Vec<([f32; 4], Vec3)>,
        edge: f32,
    },
    /// Noise of many scales.
    Clouds {
        colors: [Vec3; 3],
        size: f32,
        ridged: bool,
        seed: u32,
    },
    Strands {
        hair: Hair,
        width: f32,
        shine: f32,
        seed: u32,
    },
    /// Threads over and under each other, in folds.
    Cloth {
        colors: [Vec3; 2],
        threads: f32,
        folds: f32,
        seed: u32,
    },
    /// Bricks, tiles, windows.
    Tiles {
        colors: [Vec3; 2],
        joint: Vec3,
        size: [f32; 2],
        gap: f32,
        shifted: f32,
        seed: u32,
    },
    /// Cells around scattered points.
    Stones {
        colors: [Vec3; 2],
        count: f32,
        seam: f32,
        seed: u32,
    },
    /// What is behind people, without them.
    Background(Backdrop),
}

/// A colour, dull or strong.
fn color(s: &mut Stream) -> Vec3 {
    let value = s.range(0.03, 0.9);
    let least = s.range(0.05, 0.9);
    let mut channel = || (value * s.range(least, 1.0)) as f32;
    [channel(), channel(), channel()]
}

impl Pattern {
    fn draw(s: &mut Stream, c: &Condition) -> Self {
        let kind = s.below(8);
        let seed = s.next_u64() as u32;
        let mut colors = || [color(s), color(s)];
        let ([a, b], [d, _]) = (colors(), colors());
        match kind {
            0 => Pattern::Bands {
                colors: [a, b, d],
                count: [s.range(1.5, 9.0) as f32, s.range(1.5, 9.0) as f32],
                edge: s.range(0.03, 0.5) as f32,
                crossed: s.chance(0.5),
            },
            1 => Pattern::Spots {
                ground: a,
                edge: s.range(0.1, 1.0) as f32,
                spots: (0..3 + s.below(18))
                    .map(|_| {
                        let mut r = |low, high| s.range(low, high) as f32;
                        let place = [r(0.0, 1.0), r(0.0, 1.0), r(0.04, 0.3), r(0.04, 0.3)];
                        (place, color(s))
                    })
                    .collect(),
            },
            2 => Pattern::Clouds {
                colors: [a, b, d],
                size: s.range(1.5, 8.0) as f32,
                ridged: s.chance(0.4),
                seed,
            },
            3 => Pattern::Strands {
                hair: c.hair,
                width: s.range(1.0, 4.0) as f32,
                shine: s.range(0.0, 2.0) as f32,
                seed,
            },
            4 => Pattern::Cloth {
                colors: [a, mix3(a, b, s.range(0.1, 1.0) as f32)],
                threads: s.range(14.0, 45.0) as f32,
                folds: s.range(0.2, 1.4) as f32,
                seed,
            },
            5 => Pattern::Tiles {
                colors: [a, b],
                joint: d,
                size: [s.range(0.08, 0.4) as f32, s.range(0.08, 0.4) as f32],
                gap: s.range(0.03, 0.35) as f32,
                shifted: if s.chance(0.5) { 0.5 } else { 0.0 },
                seed,
            },
            6 => Pattern::Stones {
                colors: [a, b],
                count: s.range(3.0, 14.0) as f32,
                seam: s.range(0.05, 0.4) as f32,
                seed,
            },
            _ => Pattern::Background(Backdrop::new(seed, SIDE as f32)),
        }
    }

    /// At a point of the plane, which lies under a pixel.
    fn at(&self, [u, v]: [f32; 2], pixel: [f32; 2]) -> Vec3 {
        match self {
            Pattern::Bands {
                colors: [a, b, d],
                count,
                edge,
                crossed,
            } => {
                let wave =
                    |x: f32| smoothstep(0.5 - edge, 0.5 + edge, 0.5 + 0.5 * libm::sinf(TAU * x));
                let one = mix3(*a, *b, wave(count[0] * u));
                match crossed {
                    true => mix3(one, mix3(*d, one, 0.35), wave(count[1] * v)),
                    false => one,
                }
            }
            Pattern::Spots {
                ground,
                spots,
                edge,
            } => {
                let mut c = *ground;
                for ([x, y, rx, ry], color) in spots {
                    let near = |p: f32, at: f32| (p - at + 0.5).rem_euclid(1.0) - 0.5;
                    let w = blob(near(u, *x), near(v, *y), 0.0, 0.0, *rx, *ry);
                    c = mix3(c, *color, smoothstep(0.0, *edge, w));
                }
                c
            }
            Pattern::Clouds {
                colors: [a, b, d],
                size,
                ridged,
                seed,
            } => {
                let (mut sum, mut weight) = (0.0, 0.5);
                for octave in 0..6u32 {
                    let f = size * (1u32 << octave) as f32;
                    let n = noise(f * u, f * v, seed.wrapping_add(octave));
                    sum += weight
                        * if *ridged {
                            1.0 - (2.0 * n - 1.0).abs()
                        } else {
                            n
                        };
                    weight *= 0.5;
                }
                let t = if *ridged { sum } else { 2.0 * sum - 0.5 };
                mix3(
                    mix3(*a, *b, smoothstep(0.2, 0.55, t)),
                    *d,
                    smoothstep(0.5, 0.85, t),
                )
            }
            Pattern::Strands {
                hair,
                width,
                shine,
                seed,
            } => {
                let along = [width * u, 8.0 * v];
                // A band of light across the strands.
                let d = (v - floor(v) as f32 - 0.5) * 3.0;
                scale(hair::color(hair, along, *seed), 1.0 + shine * bell(d * d))
            }
            Pattern::Cloth {
                colors,
                threads,
                folds,
                seed,
            } => {
                let (x, y) = (threads * u, threads * v);
                let over = (floor(x) + floor(y)).rem_euclid(2) == 0;
                let along = if over { y } else { x };
                let round = libm::sinf(0.5 * TAU * (along - floor(along) as f32));
                let fold = 1.0 + folds * (noise(3.0 * u + v, 1.2 * v, *seed) - 0.5);
                let color = colors[usize::from(!over)];
                scale(color, mix(0.45, 1.0, round) * fold.max(0.1))
            }
            Pattern::Tiles {
                colors: [a, b],
                joint,
                size,
                gap,
                shifted,
                seed,
            } => {
                let y = v / size[1];
                let row = floor(y);
                let x = u / size[0] + shifted * (row.rem_euclid(2)) as f32;
                let column = floor(x);
                let border = |f: f32| smoothstep(gap * 0.5, gap * 0.5 + 0.04, f.min(1.0 - f));
                let inside = border(x - column as f32) * border(y - row as f32);
                let h = hash2(column, row, *seed);
                let tile = mix3(*a, *b, unit(h));
                let lit = 0.75 + 0.5 * noise(20.0 * u, 20.0 * v, seed ^ 7);
                mix3(*joint, scale(tile, lit), inside)
            }
            Pattern::Stones {
                colors: [a, b],
                count,
                seam,
                seed,
            } => {
                let (x, y) = (count * u, count * v);
                let (mut first, mut second, mut nearest) = (9.0f32, 9.0f32, 0);
                for dy in -1..=1 {
                    for dx in -1..=1 {
                        let (cx, cy) = (floor(x) + dx, floor(y) + dy);
                        let h = hash2(cx, cy, *seed);
                        let (px, py) = (
                            cx as f32 + unit(h) - x,
                            cy as f32 + unit(hash2(cx, cy, seed ^ 1)) - y,
                        );
                        let d = (px * px + py * py).sqrt();
                        if d < first {
                            (second, first, nearest) = (first, d, h);
                        } else {
                            second = second.min(d);
                        }
                    }
                }
                let body = mix3(*a, *b, unit(hash2(nearest as i32, 3, *seed)));
                scale(
                    body,
                    mix(0.2, 1.0, smoothstep(0.0, *seam, second - first)) * (1.1 - 0.5 * first),
                )
            }
            Pattern::Background(backdrop) => backdrop.at(pixel[0], pixel[1]),
        }
    }
}
