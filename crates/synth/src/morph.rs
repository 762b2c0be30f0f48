//! Shape: how a head differs from the template, as sums of local fields.

use super::head::{COLS, LANDMARKS, ROWS, TEMPLATE};
use super::math::{Vec3, bell, smoothstep};
use std::sync::LazyLock;

/// What a field does to the points in its reach. `x` is mirrored on the left half unless said
/// otherwise; lengths in cm per unit of the morph.
#[derive(Clone, Copy, Debug)]
enum Push {
    /// Moves.
    Move(f32, f32, f32),
    /// Moves without mirroring: leans to one side.
    Lean(f32, f32, f32),
    /// Moves the right half, and the left half the other way.
    Odd(f32, f32, f32),
    /// Grows away from the centre: fractions in x and y.
    Grow(f32, f32),
    /// Turns about the centre: radians, outer side up.
    Turn(f32),
}

/// A field around a centre with radii in x and y; `|x|` counts, so that it acts on both sides.
#[derive(Clone, Copy, Debug)]
struct Field(f32, f32, f32, f32, Push);

/// A morph: name and fields. Front fields fade out behind the cheeks, `Head` ones do not.
struct Morph {
    name: &'static str,
    whole_head: bool,
    fields: &'static [Field],
}

const fn front(name: &'static str, fields: &'static [Field]) -> Morph {
    Morph {
        name,
        whole_head: false,
        fields,
    }
}

const fn head(name: &'static str, fields: &'static [Field]) -> Morph {
    Morph {
        name,
        whole_head: true,
        fields,
    }
}

use Push::*;

/// Number of morphs that make an identity; the others belong to the image.
pub const SHAPES: usize = 42;

const MORPHS: &[Morph] = &[
    // Skull and jaw.
    head(
        "face-width",
        &[Field(0.0, 0.0, 30.0, 40.0, Grow(0.055, 0.0))],
    ),
    head("jaw-width", &[Field(0.0, -9.0, 30.0, 6.0, Grow(0.11, 0.0))]),
    head(
        "temple-width",
        &[Field(0.0, 4.5, 30.0, 5.5, Grow(0.07, 0.0))],
    ),
    head(
        "lower-face-length",
        &[Field(0.0, -12.5, 30.0, 9.0, Move(0.0, -0.75, 0.0))],
    ),
    head(
        "forehead-height",
        &[Field(0.0, 9.0, 30.0, 7.0, Move(0.0, 0.9, 0.0))],
    ),
    front(
        "forehead-slope",
        &[Field(0.0, 6.0, 9.0, 5.0, Move(0.0, 0.0, -0.8))],
    ),
    front("chin-width", &[Field(0.0, -10.8, 7.0, 3.0, Grow(0.3, 0.0))]),
    front(
        "chin-forward",
        &[Field(0.0, -10.6, 5.0, 3.2, Move(0.0, 0.0, 0.75))],
    ),
    front(
        "chin-height",
        &[Field(0.0, -10.8, 5.0, 2.8, Move(0.0, -0.55, 0.0))],
    ),
    head(
        "jaw-corner",
        &[Field(5.0, -8.6, 3.0, 3.2, Move(0.6, -0.1, 0.0))],
    ),
    front(
        "cheekbone",
        &[Field(5.0, -2.4, 3.0, 2.4, Move(0.36, 0.0, 0.36))],
    ),
    front(
        "cheek-fullness",
        &[Field(4.4, -6.0, 3.2, 3.4, Move(0.36, 0.0, 0.42))],
    ),
    front(
        "brow-ridge",
        &[Field(2.8, 1.9, 4.2, 1.7, Move(0.0, 0.0, 0.38))],
    ),
    // Eyes and brows.
    front(
        "eye-spacing",
        &[Field(2.9, 0.6, 3.6, 3.4, Move(0.34, 0.0, 0.0))],
    ),
    front(
        "eye-height",
        &[Field(2.9, 0.5, 5.5, 3.4, Move(0.0, 0.34, 0.0))],
    ),
    front(
        "eye-depth",
        &[Field(3.0, 0.1, 2.8, 1.9, Move(0.0, 0.0, -0.35))],
    ),
    front("eye-width", &[Field(3.15, 0.0, 2.6, 2.2, Grow(0.17, 0.0))]),
    front(
        "eye-opening",
        &[Field(3.15, 0.0, 2.6, 1.6, Grow(0.0, 0.26))],
    ),
    front("eye-tilt", &[Field(3.15, 0.0, 2.9, 2.6, Turn(0.11))]),
    front(
        "eye-bulge",
        &[Field(3.15, -0.1, 1.9, 1.5, Move(0.0, 0.0, 0.22))],
    ),
    front(
        "brow-height",
        &[Field(3.0, 2.2, 5.0, 1.9, Move(0.0, 0.36, 0.0))],
    ),
    front(
        "eye-unevenness",
        &[Field(3.0, 0.6, 3.4, 3.0, Odd(0.0, 0.11, 0.0))],
    ),
    // Nose.
    front(
        "nose-length",
        &[Field(0.0, -4.0, 3.4, 3.2, Move(0.0, -0.42, 0.0))],
    ),
    front("nose-width", &[Field(0.0, -3.9, 3.6, 2.0, Grow(0.24, 0.0))]),
    front(
        "bridge-width",
        &[Field(0.0, -0.6, 2.6, 3.2, Grow(0.3, 0.0))],
    ),
    front(
        "bridge-height",
        &[Field(0.0, -0.2, 1.9, 2.9, Move(0.0, 0.0, 0.45))],
    ),
    front(
        "nose-forward",
        &[Field(0.0, -3.5, 2.2, 2.6, Move(0.0, 0.0, 0.55))],
    ),
    front(
        "tip-lift",
        &[Field(0.0, -3.8, 1.5, 1.5, Move(0.0, 0.34, 0.1))],
    ),
    front(
        "tip-bulb",
        &[
            Field(0.0, -3.5, 1.6, 1.3, Grow(0.3, 0.25)),
            Field(0.0, -3.4, 1.4, 1.2, Move(0.0, 0.0, 0.22)),
        ],
    ),
    front(
        "nose-hump",
        &[Field(0.0, -1.5, 1.3, 1.6, Move(0.0, 0.0, 0.42))],
    ),
    front(
        "nose-lean",
        &[Field(0.0, -3.2, 2.2, 3.0, Lean(0.16, 0.0, 0.0))],
    ),
    front(
        "alar-flare",
        &[Field(1.5, -4.0, 1.2, 1.1, Move(0.2, 0.06, 0.14))],
    ),
    // Mouth.
    front(
        "mouth-width",
        &[Field(0.0, -7.3, 5.5, 2.8, Grow(0.15, 0.0))],
    ),
    front(
        "mouth-height",
        &[Field(0.0, -7.3, 5.5, 2.9, Move(0.0, 0.36, 0.0))],
    ),
    front(
        "upper-lip-volume",
        &[Field(0.0, -6.8, 3.0, 1.0, Move(0.0, 0.05, 0.26))],
    ),
    front(
        "lower-lip-volume",
        &[Field(0.0, -8.0, 2.8, 1.1, Move(0.0, -0.05, 0.28))],
    ),
    front("muzzle", &[Field(0.0, -7.0, 4.8, 3.6, Move(0.0, 0.0, 0.5))]),
    front(
        "mouth-lean",
        &[Field(0.0, -7.6, 4.5, 3.6, Lean(0.14, 0.0, 0.0))],
    ),
    front(
        "mouth-tilt",
        &[Field(2.6, -7.3, 2.4, 1.8, Odd(0.0, 0.1, 0.0))],
    ),
    front(
        "mentolabial",
        &[Field(0.0, -9.0, 3.2, 1.3, Move(0.0, 0.0, -0.34))],
    ),
    // Build.
    head("neck", &[Field(0.0, -16.0, 30.0, 6.0, Grow(0.12, 0.0))]),
    head(
        "skull-depth",
        &[Field(0.0, 3.0, 30.0, 12.0, Move(0.0, 0.0, -0.35))],
    ),
    // The image's: expression.
    front(
        "smile",
        &[
            Field(2.7, -7.3, 2.4, 2.0, Move(0.42, 0.42, -0.2)),
            Field(4.2, -3.4, 2.4, 2.2, Move(0.05, 0.25, 0.25)),
            Field(3.1, -0.6, 2.2, 1.0, Move(0.0, 0.13, 0.0)),
        ],
    ),
    front(
        "open",
        &[Field(0.0, -10.4, 7.5, 3.4, Move(0.0, -1.1, -0.25))],
    ),
    front(
        "pucker",
        &[
            Field(0.0, -7.4, 4.2, 2.4, Grow(-0.25, 0.08)),
            Field(0.0, -7.4, 3.2, 1.9, Move(0.0, 0.0, 0.4)),
        ],
    ),
    front(
        "brow-raise",
        &[Field(3.0, 2.6, 5.0, 2.2, Move(0.0, 0.5, 0.0))],
    ),
    front(
        "frown",
        &[
            Field(1.4, 2.1, 2.4, 1.6, Move(-0.25, -0.4, 0.1)),
            Field(2.7, -7.4, 1.9, 1.5, Move(0.0, -0.22, 0.0)),
        ],
    ),
    // The image's: weight and age.
    head(
        "weight",
        &[
            Field(0.0, -7.5, 30.0, 9.0, Grow(0.07, 0.0)),
            Field(4.3, -6.2, 3.6, 4.0, Move(0.18, 0.0, 0.3)),
            Field(0.0, -12.2, 8.0, 2.5, Move(0.0, -0.35, 0.3)),
        ],
    ),
    head(
        "sag",
        &[
            Field(4.2, -9.2, 2.6, 2.4, Move(0.28, -0.35, 0.1)),
            Field(3.6, -5.0, 2.6, 2.4, Move(0.0, -0.25, -0.2)),
            Field(3.2, 1.9, 3.4, 1.8, Move(0.0, -0.22, 0.0)),
        ],
    ),
    front(
        "nose-growth",
        &[
            Field(0.0, -3.8, 2.8, 2.4, Move(0.0, -0.25, 0.12)),
            Field(0.0, -3.9, 3.2, 1.8, Grow(0.07, 0.0)),
        ],
    ),
    front(
        "lip-loss",
        &[
            Field(0.0, -7.3, 3.0, 1.5, Grow(0.0, -0.22)),
            Field(0.0, -7.3, 3.0, 1.6, Move(0.0, 0.0, -0.22)),
        ],
    ),
];

/// Number of all morphs.
pub const COUNT: usize = MORPHS.len();

/// The image's morphs by their place in a weight vector.
pub mod image {
    use super::SHAPES;
    pub const SMILE: usize = SHAPES;
    pub const OPEN: usize = SHAPES + 1;
    pub const PUCKER: usize = SHAPES + 2;
    pub const BROW_RAISE: usize = SHAPES + 3;
    pub const FROWN: usize = SHAPES + 4;
    pub const WEIGHT: usize = SHAPES + 5;
    pub const SAG: usize = SHAPES + 6;
    pub const NOSE_GROWTH: usize = SHAPES + 7;
    pub const LIP_LOSS: usize = SHAPES + 8;
}

/// The place of a morph in a weight vector, by name.
pub fn index(name: &str) -> Option<usize> {
    MORPHS.iter().position(|m| m.name == name)
}

impl Field {
    fn at(&self, p: Vec3) -> Vec3 {
        let &Field(cx, cy, rx, ry, push) = self;
        let side = if p[0] < 0.0 { -1.0 } else { 1.0 };
        let (dx, dy) = (p[0].abs() - cx, p[1] - cy);
        let (ex, ey) = (dx / rx, dy / ry);
        let w = bell(ex * ex + ey * ey);
        if w == 0.0 {
            return [0.0; 3];
        }
        match push {
            Move(x, y, z) => {
                // A mirrored sideways push must vanish on the midline.
                let x = x * (p[0].abs() / 0.8).min(1.0);
                [side * x * w, y * w, z * w]
            }
            Lean(x, y, z) => [x * w, y * w, z * w],
            Odd(x, y, z) => [side * x * w, side * y * w, side * z * w],
            Grow(x, y) => [side * dx * x * w, dy * y * w, 0.0],
            Turn(a) => [-side * dy * a * w, dx * a * w, 0.0],
        }
    }
}

/// Displacements of one morph: the vertices it moves.
struct Sparse(Vec<(u32, Vec3)>);

static BASIS: LazyLock<Vec<Sparse>> = LazyLock::new(|| {
    MORPHS
        .iter()
        .map(|m| {
            let moved = TEMPLATE.vertices.iter().enumerate().filter_map(|(i, v)| {
                let p = v.smooth;
                let fade = if m.whole_head {
                    1.0
                } else {
                    smoothstep(-1.0, 3.5, p[2])
                };
                let mut d = [0.0f32; 3];
                for f in m.fields {
                    let e = f.at(p);
                    for k in 0..3 {
                        d[k] += e[k] * fade;
                    }
                }
                (d != [0.0; 3]).then_some((i as u32, d))
            });
            Sparse(moved.collect())
        })
        .collect()
});

/// The head for the given weights: grid vertices, then the landmarks.
pub fn apply(weights: &[f32; COUNT]) -> Vec<Vec3> {
    let mut p: Vec<Vec3> = TEMPLATE.vertices.iter().map(|v| v.mean).collect();
    debug_assert_eq!(p.len(), ROWS * COLS + LANDMARKS.len());
    for (w, Sparse(moved)) in weights.iter().zip(BASIS.iter()) {
        if *w != 0.0 {
            for (i, d) in moved {
                let q = &mut p[*i as usize];
                for k in 0..3 {
                    q[k] += w * d[k];
                }
            }
        }
    }
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_image_morphs_are_where_the_constants_say() {
        assert_eq!(index("smile"), Some(image::SMILE));
        assert_eq!(index("lip-loss"), Some(image::LIP_LOSS));
        assert_eq!(COUNT, image::LIP_LOSS + 1);
    }

    #[test]
    fn every_morph_moves_something_and_eye_spacing_moves_the_eyes_apart() {
        for m in BASIS.iter() {
            assert!(!m.0.is_empty());
        }
        let mut w = [0.0; COUNT];
        let rest = apply(&w);
        w[index("eye-spacing").unwrap()] = 1.0;
        let wide = apply(&w);
        let gap = |p: &[Vec3]| p[ROWS * COLS + 1][0] - p[ROWS * COLS][0];
        assert!(gap(&wide) > gap(&rest) + 0.5);
    }
}
