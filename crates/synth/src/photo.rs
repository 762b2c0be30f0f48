//! A photograph that nobody aligned: a person from the shoulders up, somewhere in it.

use super::camera::develop;
use super::condition::Condition;
use super::head::COLS;
use super::identity::Identity;
use super::math::{Vec3, noise, normalize, scale};
use super::paint::{Paint, Texel};
use super::scene::{SCALE, Scene};
use super::shade::picture_behind;
use super::world::CROP;
use frbench_base::rng::Stream;
use frbench_data::image::Image;
use frbench_data::resize::resize;

/// Side of a photograph before it is reduced to that of a crop, pixels.
pub const SIDE: usize = 2 * CROP;

/// Row of the head's grid around the root of the neck.
const NECK: usize = 65;

/// The picture of a person under a condition, reduced to 112 x 112 RGB. How the picture is
/// turned, how large the head is in it and where follow from the condition's seed.
pub fn photo(id: &Identity, c: &Condition) -> Image {
    let mut s = Stream::derive(u64::from(c.seed), "synth-frame", &[id.id]);
    let turn = (0.2 * s.normal()).clamp(-0.7, 0.7) as f32;
    let framed = Condition {
        roll: c.roll + turn,
        // The head takes up half of the picture's height, or all of it.
        zoom: 2.0 * s.range(0.4, 0.85) as f32,
        ..c.clone()
    };
    let mut place = || SIDE as f64 * (0.5 + (0.09 * s.normal()).clamp(-0.22, 0.22));
    let at = [place(), place()];
    let scene = Scene::framed(id, &framed, |_| (SIDE, at));
    let paint = Paint::new(id, &framed);
    let bust = Bust::new(&mut s, &scene, framed.zoom, turn);
    let light = picture_behind(&scene, &paint, &framed, |x, y| bust.at(x, y));
    let mut grain = Stream::derive(u64::from(c.seed), "synth-grain", &[id.id]);
    resize(&develop(light, SIDE, &c.camera, &mut grain), CROP, CROP)
}

/// Shoulders in a piece of clothing: a silhouette before the lower end of the neck.
struct Bust {
    /// The root of the neck in the picture.
    neck: [f32; 2],
    /// Sine and cosine of the picture's turn, over pixels per centimetre.
    turn: [f32; 2],
    color: Vec3,
    /// Depth of the neckline, cm.
    low: f32,
    stripes: f32,
    seed: u32,
}

impl Bust {
    fn new(s: &mut Stream, scene: &Scene, zoom: f32, turn: f32) -> Self {
        let mut neck = [0.0; 2];
        for p in &scene.body.screen[NECK * COLS..][..COLS - 1] {
            neck = [neck[0] + p[0], neck[1] + p[1]];
        }
        let value = s.range(0.02, 0.6);
        let mut channel = || (value * s.range(0.35, 1.2)) as f32;
        let per_cm = zoom * SCALE;
        Bust {
            neck: neck.map(|v| v / (COLS - 1) as f32),
            turn: [libm::sinf(turn) / per_cm, libm::cosf(turn) / per_cm],
            color: [channel(), channel(), channel()],
            low: s.range(0.5, 2.6) as f32,
            stripes: if s.chance(0.3) {
                s.range(0.4, 2.0) as f32
            } else {
                0.0
            },
            seed: s.next_u64() as u32,
        }
    }

    /// Cloth and its normal at a pixel.
    fn at(&self, x: f32, y: f32) -> Option<(Texel, Vec3)> {
        let (dx, dy) = (x - self.neck[0], self.neck[1] - y);
        let [sin, cos] = self.turn;
        // Centimetres to the picture's right of the neck and above it.
        let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
        let out = u.abs();
        let rim = if out < 5.0 {
            -self.low + (self.low + 1.5) * (out / 5.0) * (out / 5.0)
        } else {
            // Shoulders slope, and arms fall.
            let arm = (out - 17.0).max(0.0);
            2.05 - 0.022 * out * out - 0.6 * arm * arm
        };
        if v > rim {
            return None;
        }
        let folds = noise(0.22 * u + 0.1 * v, 0.09 * v, self.seed) - 0.5;
        let stripe = self.stripes > 0.0 && (self.stripes * v).rem_euclid(2.0) < 1.0;
        let shade = (1.0 + 0.5 * folds) * if stripe { 0.55 } else { 1.0 };
        // Clothing hangs: the normal turns outwards with the body, and up at the shoulders.
        let up = 0.25 + 0.6 / (1.0 + 0.25 * (rim - v));
        let n = normalize([u / 16.0 + 0.6 * folds, up, 0.9]);
        let texel = Texel {
            color: scale(self.color, shade),
            gloss: 0.0,
        };
        Some((texel, n))
    }
}
