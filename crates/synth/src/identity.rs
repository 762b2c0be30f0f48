//! Who: everything about a person that stays the same from image to image.

use super::morph::{self, SHAPES};
use frbench_base::rng::Stream;

/// Number of populations, each with parameter distributions of its own.
pub const POPULATIONS: u64 = 4;

/// Largest deviation of a shape weight from its population's mean, in standard deviations.
const REACH: f64 = 2.0;

/// Scale of the shape weights: small enough that people are hard to tell apart.
const SPREAD: f32 = 0.93;

/// Scale of the drift of a shape weight over thirty years.
const DRIFT: f32 = 0.27;

/// The first morphs are bone and do not drift.
const BONES: usize = 3;

/// A mole or scar, fixed on the skin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// Surface coordinates, cm.
    pub at: [f32; 2],
    /// Radii across and along, cm.
    pub radius: [f32; 2],
    /// Positive darkens (mole), negative lightens (scar).
    pub strength: f32,
}

/// A person who does not exist.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    pub id: u64,
    /// `0..POPULATIONS`.
    pub population: usize,
    /// Weights of the shape morphs.
    pub shape: [f32; SHAPES],
    /// Features in surface coordinates.
    pub brow: Brow,
    pub eye: Eye,
    pub lips: Lips,
    pub skin: Skin,
    pub hairline: Hairline,
    pub ear: Ear,
    pub aging: Aging,
    pub marks: Vec<Mark>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brow {
    pub thickness: f32,
    pub arch: f32,
    /// Rise from the inner to the outer end, cm.
    pub tilt: f32,
    pub inner: f32,
    pub outer: f32,
    pub density: f32,
    /// Where the arch peaks, 0 inner to 1 outer.
    pub peak: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eye {
    /// Half width, cm.
    pub width: f32,
    pub upper: f32,
    pub lower: f32,
    pub peak: f32,
    /// Distance of the lid's crease above the lid; strength 0 is a single fold.
    pub crease: f32,
    pub crease_strength: f32,
    pub iris_radius: f32,
    /// 0 dark brown, 1 light.
    pub iris_tone: f32,
    pub iris_blue: f32,
    pub lashes: f32,
    pub bags: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lips {
    pub upper: f32,
    pub lower: f32,
    pub bow: f32,
    pub corner: f32,
    /// How much redder than the skin.
    pub color: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Skin {
    /// 0 fair to 1 dark.
    pub melanin: f32,
    pub redness: f32,
    pub freckles: f32,
    pub nostril: f32,
    pub alar: f32,
    pub fold: f32,
    pub dimple: f32,
    pub cleft: f32,
    pub philtrum: f32,
    /// Density of the beard that shows when unshaven; 0 for half of the people.
    pub beard: f32,
    /// Seed of the fine texture.
    pub seed: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hairline {
    pub height: f32,
    pub peak: f32,
    pub temples: f32,
    /// How far the hair recedes with age.
    pub receding: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ear {
    pub size: f32,
    pub flare: f32,
    pub height: f32,
    pub lobe: f32,
}

/// How this person ages: factors of the common changes, and where the lines come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aging {
    pub sag: f32,
    pub lines: f32,
    pub forehead: f32,
    pub crow: f32,
    pub growth: f32,
    pub weight: f32,
    /// Change of the shape weights in thirty years.
    pub drift: [f32; SHAPES],
}

/// Means of shape weights by population, in standard deviations.
const MEANS: [&[(&str, f64)]; POPULATIONS as usize] = [
    &[
        ("bridge-height", 0.5),
        ("nose-width", -0.5),
        ("nose-forward", 0.3),
        ("brow-ridge", 0.3),
    ],
    &[
        ("bridge-height", -0.7),
        ("cheekbone", 0.5),
        ("face-width", 0.4),
        ("eye-opening", -0.5),
        ("eye-depth", -0.5),
    ],
    &[
        ("nose-length", 0.4),
        ("nose-hump", 0.5),
        ("eye-width", 0.3),
        ("brow-height", -0.3),
    ],
    &[
        ("nose-width", 0.8),
        ("muzzle", 0.6),
        ("upper-lip-volume", 0.6),
        ("lower-lip-volume", 0.6),
        ("tip-bulb", 0.4),
    ],
];

/// Melanin: mean and spread by population.
const MELANIN: [(f64, f64); POPULATIONS as usize] =
    [(0.10, 0.06), (0.30, 0.07), (0.46, 0.09), (0.80, 0.10)];

/// A normal number without tails, so that no head is monstrous.
fn deviation(s: &mut Stream) -> f64 {
    loop {
        let x = s.normal();
        if x.abs() <= REACH {
            return x;
        }
    }
}

impl Identity {
    /// The person `id` of the world with this seed.
    pub fn new(world_seed: u64, id: u64) -> Self {
        let mut s = Stream::derive(world_seed, "synth-identity", &[id]);
        let population = (id % POPULATIONS) as usize;
        let mut shape = [0.0f32; SHAPES];
        for w in &mut shape {
            *w = SPREAD * deviation(&mut s) as f32;
        }
        for (name, mean) in MEANS[population] {
            if let Some(k) = morph::index(name) {
                shape[k] += *mean as f32;
            }
        }
        let mut r = |low: f64, high: f64| s.range(low, high) as f32;
        let light_eyes = [0.6, 0.03, 0.1, 0.0][population];
        let full_lips = [0.0, 0.05, 0.05, 0.22][population];
        let brow = Brow {
            thickness: r(0.36, 0.92),
            arch: r(-0.04, 0.54),
            tilt: r(-0.28, 0.42),
            inner: r(0.85, 1.8),
            outer: r(4.5, 5.8),
            density: r(0.45, 1.0),
            peak: r(0.35, 0.8),
        };
        let eye = Eye {
            width: r(1.4, 1.82),
            upper: r(0.46, 0.78),
            lower: r(0.25, 0.5),
            peak: r(-0.35, 0.35),
            crease: r(0.14, 0.5),
            crease_strength: (r(-0.3, 1.0) - if population == 1 { 0.35 } else { 0.0 }).max(0.0),
            iris_radius: r(0.56, 0.68),
            iris_tone: r(0.0, 1.0) * if r(0.0, 1.0) < light_eyes { 1.0 } else { 0.18 },
            iris_blue: r(0.0, 1.0),
            lashes: r(0.3, 1.0),
            bags: r(0.0, 1.0),
        };
        let lips = Lips {
            upper: r(0.31, 0.7) + full_lips as f32,
            lower: r(0.46, 0.9) + full_lips as f32,
            bow: r(0.0, 0.3),
            corner: r(-0.2, 0.2),
            color: r(0.35, 1.0),
        };
        let (mean, spread) = MELANIN[population];
        let melanin = (mean + spread * deviation(&mut s)).clamp(0.0, 1.0) as f32;
        let mut r = |low: f64, high: f64| s.range(low, high) as f32;
        let skin = Skin {
            melanin,
            redness: r(0.0, 1.0),
            freckles: (r(-1.6, 1.0) - 0.6 * melanin).max(0.0),
            nostril: r(0.26, 0.5),
            alar: r(0.2, 1.0),
            fold: r(0.0, 0.8),
            dimple: r(-1.2, 1.0).max(0.0),
            cleft: r(-1.2, 1.0).max(0.0),
            philtrum: r(0.1, 1.0),
            beard: r(-0.7, 0.9).max(0.0),
            seed: 0,
        };
        let hairline = Hairline {
            height: r(5.2, 7.2),
            peak: r(-0.3, 0.8),
            temples: r(-0.6, 1.2),
            receding: r(-0.8, 1.0).max(0.0),
        };
        let ear = Ear {
            size: r(0.82, 1.2),
            flare: r(0.1, 0.85),
            height: r(-0.6, 0.6),
            lobe: r(0.0, 1.0),
        };
        let mut drift = [0.0f32; SHAPES];
        for d in &mut drift[BONES..] {
            *d = DRIFT * deviation(&mut s) as f32;
        }
        let mut r = |low: f64, high: f64| s.range(low, high) as f32;
        let aging = Aging {
            sag: r(0.5, 1.4),
            lines: r(0.4, 1.3),
            forehead: r(0.2, 1.4),
            crow: r(0.2, 1.4),
            growth: r(0.4, 1.5),
            weight: r(-1.2, 1.6),
            drift,
        };
        let marks = marks(&mut s);
        let skin = Skin {
            seed: s.next_u64() as u32,
            ..skin
        };
        Identity {
            id,
            population,
            shape,
            brow,
            eye,
            lips,
            skin,
            hairline,
            ear,
            aging,
            marks,
        }
    }

    /// The cell of this identity when 24 of its independent shape weights are cut into 8
    /// equally likely parts each: 72 bits. Two people in different cells differ.
    pub fn cell(&self) -> u128 {
        // Octiles of the normal distribution cut at +-2.
        const CUTS: [f32; 7] = [-1.071, -0.639, -0.304, 0.0, 0.304, 0.639, 1.071];
        let mut means = [0.0f32; SHAPES];
        for (name, mean) in MEANS[self.population] {
            if let Some(k) = morph::index(name) {
                means[k] = *mean as f32;
            }
        }
        self.shape[..24].iter().zip(means).fold(0, |cell, (w, m)| {
            let part = CUTS.iter().filter(|c| (w - m) / SPREAD >= **c).count();
            cell << 3 | part as u128
        })
    }
}

fn marks(s: &mut Stream) -> Vec<Mark> {
    // Most people have a few marks that a photograph shows.
    let count = s.below(5);
    (0..count)
        .map(|_| {
            let scar = s.chance(0.15);
            let radius = s.range(0.13, 0.3) as f32;
            Mark {
                at: [s.range(-5.5, 5.5) as f32, s.range(-10.0, 5.0) as f32],
                radius: if scar { [0.16, 0.9] } else { [radius, radius] },
                strength: if scar {
                    -0.5
                } else {
                    s.range(0.45, 0.85) as f32
                },
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_function_of_seed_and_id() {
        assert_eq!(Identity::new(1, 77), Identity::new(1, 77));
        assert_ne!(Identity::new(1, 77).shape, Identity::new(2, 77).shape);
        assert_ne!(Identity::new(1, 77).shape, Identity::new(1, 81).shape);
    }

    #[test]
    fn the_names_in_the_population_table_exist() {
        for (name, _) in MEANS.iter().copied().flatten() {
            assert!(morph::index(name).is_some_and(|k| k < SHAPES), "{name}");
        }
    }

    #[test]
    fn the_eight_parts_of_a_cell_are_about_equally_likely() {
        let mut counts = [0usize; 8];
        for id in 0..2000 {
            let cell = Identity::new(3, id).cell();
            for k in 0..24 {
                counts[(cell >> (3 * k) & 7) as usize] += 1;
            }
        }
        assert!(counts.iter().all(|c| c.abs_diff(6000) < 400), "{counts:?}");
    }
}
