//! Skin and features as colour in surface coordinates: what a face has that is not shape.
//!
//! Nothing here is a texture map; each visible pixel is computed, so that resolution and pose
//! cost nothing in memory.

use super::condition::Condition;
use super::identity::{Identity, Mark};
use super::math::{Vec3, blob, floor, hash2, mix, mix3, mul3, noise, scale, smoothstep, unit};

/// Colour (linear RGB albedo) and shine of a point of the skin.
#[derive(Clone, Copy, Debug)]
pub struct Texel {
    pub color: Vec3,
    pub gloss: f32,
}

/// A person's surface under one condition.
pub struct Paint {
    base: Vec3,
    lip: Vec3,
    brow: Vec3,
    iris: Vec3,
    sclera: Vec3,
    beard: f32,
    beard_color: Vec3,
    lines: f32,
    upper_lid: f32,
    lower_lid: f32,
    gap: f32,
    teeth: f32,
    id: Identity,
    condition: Condition,
    seed: u32,
}

const FAIR: Vec3 = [0.72, 0.47, 0.36];
const DARK: Vec3 = [0.105, 0.048, 0.028];

/// Albedo of bare skin: pigment absorbs exponentially.
pub fn skin_tone(melanin: f32) -> Vec3 {
    let mut c = [0.0; 3];
    for k in 0..3 {
        c[k] = libm::expf(mix(libm::logf(FAIR[k]), libm::logf(DARK[k]), melanin));
    }
    c
}

/// Half width of the mouth in surface coordinates.
const MOUTH: f32 = 2.6;
const MOUTH_Y: f32 = -7.3;
const EYE_X: f32 = 3.15;

impl Paint {
    pub fn new(id: &Identity, c: &Condition) -> Self {
        let base = skin_tone(id.skin.melanin);
        let red = [1.0, 0.6 - 0.1 * id.skin.melanin, 0.6];
        let natural = mix3(base, mul3(base, red), 0.35 + 0.65 * id.lips.color);
        let old = smoothstep(28.0, 72.0, c.age);
        let e = &c.expression;
        let light = mix3(
            [0.05, 0.16, 0.30],
            [0.13, 0.17, 0.07],
            1.0 - id.eye.iris_blue,
        );
        let droop = 0.25 * old * id.aging.sag + 0.15 * e.smile;
        let open = e.open.max(0.35 * smoothstep(0.55, 0.9, e.smile));
        Paint {
            base,
            lip: mix3(natural, [0.42, 0.05, 0.07], 0.75 * c.makeup),
            brow: mix3([0.022, 0.015, 0.011], c.hair.color, 0.3),
            // Deep-set under darker lids: less light reaches the white of the eye.
            sclera: scale([0.60, 0.56, 0.53], mix(1.0, 0.27, id.skin.melanin)),
            iris: mix3([0.035, 0.016, 0.008], light, id.eye.iris_tone),
            beard: id.skin.beard * c.beard,
            beard_color: mix3(c.hair.color, [0.03, 0.02, 0.015], 0.5),
            lines: old * id.aging.lines,
            upper_lid: id.eye.upper * (1.0 - droop).max(0.45) * (1.0 - e.squint)
                + 0.12 * e.brow_raise,
            lower_lid: id.eye.lower * (1.0 - 0.35 * e.squint.max(0.0)),
            gap: 0.95 * open,
            teeth: smoothstep(0.1, 0.6, e.smile) * 0.9 + 0.25 * open,
            id: id.clone(),
            condition: c.clone(),
            seed: id.skin.seed,
        }
    }

    /// The bare skin's colour.
    pub fn base(&self) -> Vec3 {
        self.base
    }

    /// The surface at surface coordinates `p`.
    pub fn at(&self, p: Vec3) -> Texel {
        let (x, y) = (p[0].abs(), p[1]);
        let mut t = self.skin(p);
        if p[2] > 0.0 {
            if y < -2.8 && y > -12.5 {
                self.beard(&mut t, x, p);
            }
            if (-11.0..8.0).contains(&y) && x < 7.0 {
                self.creases(&mut t, x, y);
            }
            if (-5.0..-3.2).contains(&y) && x < 2.8 {
                self.nose(&mut t, x, y);
            }
            if (-10.0..-5.4).contains(&y) && x < 3.2 {
                self.mouth(&mut t, p[0], y);
            }
            if (0.8..3.8).contains(&y) && x < 6.4 {
                self.brow(&mut t, x, p);
            }
            if (-1.9..1.7).contains(&y) && (x - EYE_X).abs() < 2.4 {
                self.eye(&mut t, p[0], y);
            }
            for m in &self.id.marks {
                mark(&mut t, m, p);
            }
        }
        if let Some(cloth) = self.condition.mask
            && masked(p) > 0.5
        {
            let fold = 1.0 - 0.25 * blob(0.0, (y * 0.55).fract() * 2.0 - 1.0, 0.0, 0.0, 1.0, 0.5);
            t = Texel {
                color: scale(cloth, fold),
                gloss: 0.0,
            };
        }
        t
    }

    fn skin(&self, p: Vec3) -> Texel {
        let (x, y) = (p[0].abs(), p[1]);
        let s = &self.id.skin;
        let broad = noise(p[0] * 0.45 + 40.0, y * 0.45, self.seed) - 0.5;
        let fine = noise(p[0] * 2.3, y * 2.3 + p[2] * 1.1, self.seed ^ 0x51) - 0.5;
        let old = smoothstep(35.0, 80.0, self.condition.age);
        let mut color = scale(self.base, 1.0 + 0.16 * broad + (0.09 + 0.16 * old) * fine);
        if p[2] > 0.0 {
            // Blood shows on cheeks and nose.
            let blush =
                0.75 * blob(x, y, 4.0, -3.0, 3.2, 2.8) + 0.6 * blob(x, y, 0.0, -3.4, 1.7, 2.0);
            let r = blush
                * (0.25 + 0.75 * s.redness + 0.6 * self.condition.makeup)
                * (1.0 - 0.7 * s.melanin);
            color = [
                color[0] * (1.0 + 0.06 * r),
                color[1] * (1.0 - 0.24 * r),
                color[2] * (1.0 - 0.22 * r),
            ];
            if s.freckles > 0.0 && y < 3.5 && y > -8.0 {
                let (gx, gy) = (p[0] * 2.6, y * 2.6);
                let h = hash2(floor(gx), floor(gy), self.seed ^ 0xF4EC);
                let chance = s.freckles * (0.25 + 0.75 * blob(x, y, 2.2, -2.2, 4.6, 4.0));
                if unit(h) < chance * 0.55 {
                    let cell = |v: f32| (v - floor(v) as f32) * 2.0 - 1.0;
                    let w = blob(cell(gx), cell(gy), 0.0, 0.0, 0.95, 0.95);
                    color = mul3(color, mix3([1.0; 3], [0.66, 0.52, 0.42], w));
                }
            }
            // Where light rarely reaches.
            let dim = 0.28 * blob(x, y, 1.55, 0.35, 1.2, 1.2)
                + 0.22 * blob(x, y, 2.9, 0.9, 2.4, 0.9)
                + 0.18 * blob(x, y, 0.0, -8.95, 2.2, 0.7)
                + 0.3 * blob(x, y, 0.0, -4.75, 1.9, 0.6);
            color = scale(color, 1.0 - dim);
        }
        color = scale(color, 1.0 - 0.45 * smoothstep(-11.6, -12.8, y));
        Texel {
            color,
            gloss: 0.22 * (1.0 - 0.45 * s.melanin) * (1.0 + 0.8 * blob(x, y, 0.0, 2.0, 3.0, 6.0)),
        }
    }

    fn eye(&self, t: &mut Texel, x: f32, y: f32) {
        let e = &self.id.eye;
        let side = if x < 0.0 { -1.0 } else { 1.0 };
        let u = (x.abs() - EYE_X) / e.width;
        let arc = (1.0 - u * u).max(0.0);
        let top = self.upper_lid * arc * (1.0 + e.peak * u);
        let bottom = -self.lower_lid * arc * (1.0 - 0.6 * e.peak * u);
        // The crease of the upper lid, and the bag under the eye.
        let reach = smoothstep(1.3, 0.8, u.abs());
        let crease = blob(0.0, y, 0.0, top + e.crease, 1.0, 0.17) * e.crease_strength * reach;
        t.color = scale(t.color, 1.0 - 0.5 * crease);
        let tired = (e.bags * 0.6 + self.lines * 0.7).min(1.0);
        let bag = blob(0.0, y, 0.0, -0.72 - 0.35 * arc, 1.0, 0.3) * tired * reach;
        t.color = scale(t.color, 1.0 - 0.3 * bag);
        // Makeup on the lid.
        if y > top && y < top + 0.8 {
            t.color = scale(t.color, 1.0 - 0.4 * self.condition.makeup * reach);
        }
        let inside = smoothstep(-0.06, 0.06, top - y)
            * smoothstep(-0.06, 0.06, y - bottom)
            * smoothstep(1.02, 0.96, u.abs());
        if inside > 0.0 && top > bottom + 0.02 {
            let shade = 1.0 - 0.4 * smoothstep(top - 0.35, top, y) - 0.25 * u * u;
            let mut c = scale(self.sclera, shade);
            let gaze = self.condition.expression.gaze;
            let (ix, iy) = (x - side * EYE_X - gaze[0], y - 0.08 - gaze[1]);
            let r = (ix * ix + iy * iy).sqrt() / e.iris_radius;
            if r < 1.12 {
                let ring = 1.0 - 0.55 * smoothstep(0.72, 0.98, r);
                let disc = smoothstep(1.12, 0.92, r);
                c = mix3(
                    c,
                    scale(self.iris, ring * (0.8 + 0.5 * smoothstep(0.3, -0.6, iy))),
                    disc,
                );
                c = mix3(c, [0.004; 3], smoothstep(0.5, 0.36, r));
            }
            let spark = blob(ix, iy, 0.17, 0.2, 0.2, 0.2);
            c = mix3(
                c,
                scale([0.95; 3], mix(1.0, 0.5, self.id.skin.melanin)),
                0.9 * spark,
            );
            t.color = mix3(t.color, c, inside);
            t.gloss = mix(t.gloss, 0.15, inside);
        }
        let line = blob(
            0.0,
            y,
            0.0,
            top + 0.03,
            1.0,
            0.13 + 0.07 * e.lashes + 0.05 * self.condition.makeup,
        );
        let dark = line * smoothstep(1.12, 0.98, u.abs()) * (0.5 + 0.5 * e.lashes);
        t.color = mix3(t.color, [0.012, 0.009, 0.008], dark.min(1.0));
        let under = blob(0.0, y, 0.0, bottom - 0.03, 1.0, 0.1) * smoothstep(1.05, 0.9, u.abs());
        t.color = scale(t.color, 1.0 - (0.3 + 0.3 * self.condition.makeup) * under);
    }

    fn brow(&self, t: &mut Texel, x: f32, p: Vec3) {
        let b = &self.id.brow;
        let u = (x - b.inner) / (b.outer - b.inner);
        if !(-0.15..1.1).contains(&u) {
            return;
        }
        let d = (u - b.peak) / 0.75;
        let center = 1.75 + b.tilt * (u - 0.3) + b.arch * (1.0 - d * d).max(-0.6);
        let half = 0.5
            * b.thickness
            * (1.0 + 0.2 * self.condition.grooming)
            * (0.35 + 0.65 * smoothstep(1.05, 0.45, u))
            * smoothstep(-0.25, 0.15, u);
        let across = (p[1] - center).abs() / half.max(0.05);
        let hairs = noise(p[0] * 5.0 + p[1] * 3.0, p[1] * 2.0 - p[0], self.seed ^ 0xB0);
        let edge =
            smoothstep(1.25, 0.7, across) * smoothstep(-0.12, 0.05, u) * smoothstep(1.08, 0.9, u);
        let cover = edge * (b.density * (0.75 + 0.5 * hairs)).min(1.0);
        t.color = mix3(t.color, self.brow, cover.min(0.95));
        t.gloss *= 1.0 - cover.min(1.0);
    }

    fn nose(&self, t: &mut Texel, x: f32, y: f32) {
        let s = &self.id.skin;
        let hole = blob(
            x,
            y,
            0.78,
            -4.28,
            0.75 * s.nostril + 0.32,
            0.26 + 0.2 * s.nostril,
        );
        t.color = mix3(t.color, [0.02, 0.009, 0.007], (1.5 * hole).min(1.0) * 0.9);
        let wing = blob(x, y, 2.0, -3.95, 0.34, 0.85);
        t.color = scale(t.color, 1.0 - 0.4 * wing * s.alar);
    }

    fn mouth(&self, t: &mut Texel, x: f32, y: f32) {
        let l = &self.id.lips;
        let u = x.abs() / MOUTH;
        let arc = (1.0 - u * u).max(0.0);
        let line = MOUTH_Y + l.corner * (u * u - 0.3) * 0.8;
        let gap = self.gap * arc;
        let (top_in, low_in) = (line + 0.3 * gap, line - 0.7 * gap);
        let bow = l.bow
            * (blob(x, 0.0, 0.0, 0.0, 0.55, 1.0) - 0.5 * blob(x.abs(), 0.0, 0.7, 0.0, 0.6, 1.0));
        let top = top_in + (l.upper * arc - bow).max(0.0) + 0.02;
        let bottom = low_in - l.lower * arc * (0.75 + 0.25 * arc) - 0.02;
        let soft = 0.13;
        let lips = smoothstep(-soft, soft, top - y)
            * smoothstep(-soft, soft, y - bottom)
            * smoothstep(1.05, 0.93, u);
        if lips > 0.0 {
            let grain = 1.0 - 0.12 * noise(x * 5.0, y * 1.5, self.seed ^ 0x11);
            // The upper lip faces down, the lower one up.
            let lit = if y > line { 0.82 } else { 1.06 };
            t.color = mix3(t.color, scale(self.lip, grain * lit), lips);
            t.gloss = mix(t.gloss, 0.4 + 0.3 * self.condition.makeup, lips);
        }
        let inside = smoothstep(-0.05, 0.05, top_in - y)
            * smoothstep(-0.05, 0.05, y - low_in)
            * smoothstep(1.0, 0.95, u);
        if gap > 0.06 && inside > 0.0 {
            let teeth = self.teeth * smoothstep(low_in + 0.05, low_in + 0.3 * gap, y);
            let c = mix3(
                [0.035, 0.01, 0.01],
                [0.55, 0.52, 0.45],
                teeth.min(0.9) * (1.0 - 0.5 * u * u),
            );
            t.color = mix3(t.color, c, inside);
        }
        let seam = blob(0.0, y, 0.0, line, 1.0, 0.16)
            * smoothstep(1.1, 0.9, u)
            * smoothstep(0.3, 0.0, gap);
        t.color = mix3(t.color, scale(self.lip, 0.18), 0.85 * seam);
        let corner = blob(x.abs(), y, MOUTH + 0.05, line, 0.4, 0.35);
        t.color = scale(t.color, 1.0 - 0.4 * corner);
    }

    fn beard(&self, t: &mut Texel, x: f32, p: Vec3) {
        if self.beard <= 0.02 {
            return;
        }
        let y = p[1];
        let cheek = smoothstep(
            0.0,
            1.2,
            -4.6 - y - 0.9 * (5.6 - x).max(0.0) * smoothstep(2.4, 3.4, x),
        ) * smoothstep(2.2, 3.2, x);
        let chin = smoothstep(-8.6, -9.2, y) * smoothstep(3.6, 2.6, x);
        let lip = smoothstep(-5.2, -5.8, y) * smoothstep(-8.9, -8.0, y) * smoothstep(3.4, 2.8, x);
        let hairs = 0.6 + 0.8 * noise(p[0] * 4.0, y * 4.0, self.seed ^ 0xBEA);
        let cover = self.beard * cheek.max(chin).max(lip) * hairs;
        t.color = mix3(t.color, self.beard_color, cover.min(0.92));
        t.gloss *= 1.0 - cover.min(1.0);
    }

    fn creases(&self, t: &mut Texel, x: f32, y: f32) {
        let (s, e, a) = (&self.id.skin, &self.condition.expression, &self.id.aging);
        let mut dark = 0.0;
        // From the nose to the corners of the mouth.
        if y < -3.4 && y > -8.8 {
            let d = (-3.4 - y) / 4.2;
            let at = 1.95 + 1.35 * d - 0.25 * d * d;
            let w = s.fold * 0.5 + self.lines + 0.45 * e.smile;
            dark += 0.36 * w.min(1.5) * blob(x, 0.0, at, 0.0, 0.34, 1.0) * smoothstep(1.3, 0.9, d);
            dark += 0.45 * s.dimple * (0.3 + e.smile) * blob(x, y, 3.7, -7.0, 0.4, 0.5);
        }
        if y > 2.6 {
            let wobble = 0.35 * noise(x * 0.7, 3.0, self.seed ^ 0xF0);
            let w = self.lines * a.forehead + 0.35 * e.brow_raise;
            for k in 0..3 {
                dark += 0.3
                    * w.min(1.5)
                    * blob(0.0, y, 0.0, 3.5 + 0.95 * k as f32 + wobble, 1.0, 0.2)
                    * smoothstep(5.0, 3.5, x);
            }
        }
        if x > 4.6 && (-1.3..1.3).contains(&y) {
            let w = self.lines * a.crow + 0.25 * e.smile;
            for k in -1..=1 {
                let at = 0.32 * k as f32 * (x - 4.0) * 1.1;
                dark += 0.34
                    * w.min(1.5)
                    * blob(0.0, y, 0.0, at, 1.0, 0.17)
                    * smoothstep(4.7, 5.2, x)
                    * smoothstep(6.9, 6.2, x);
            }
        }
        if x < 1.0 && (0.6..3.0).contains(&y) {
            let w = 0.5 * self.lines + 0.6 * e.frown;
            dark += 0.35
                * w.min(1.2)
                * blob(x, 0.0, 0.5, 0.0, 0.2, 1.0)
                * smoothstep(3.0, 2.4, y)
                * smoothstep(0.6, 1.0, y);
        }
        if x < 0.5 {
            dark += 0.25 * s.philtrum * blob(x, y, 0.0, -5.75, 0.3, 0.9);
            dark += 0.4 * s.cleft * blob(x, y, 0.0, -10.3, 0.28, 0.9);
        }
        t.color = scale(t.color, 1.0 - dark.min(0.7));
    }
}

fn mark(t: &mut Texel, m: &Mark, p: Vec3) {
    let w = blob(
        p[0],
        p[1],
        m.at[0],
        m.at[1],
        m.radius[0] * 1.4,
        m.radius[1] * 1.4,
    );
    if w > 0.0 {
        let w = (1.6 * w).min(1.0);
        let to = if m.strength > 0.0 {
            mul3(t.color, [0.35, 0.22, 0.16])
        } else {
            mul3(t.color, [1.35, 1.2, 1.2])
        };
        t.color = mix3(t.color, to, w * m.strength.abs());
    }
}

/// How much of a point a face mask covers, in surface coordinates.
pub fn masked(p: Vec3) -> f32 {
    let x = p[0].abs();
    let top = -1.9 - 0.036 * x * x;
    smoothstep(0.0, 0.5, top - p[1]) * smoothstep(-12.4, -11.8, p[1]) * smoothstep(0.5, 2.0, p[2])
}
