//! How: everything about one picture that does not belong to the person.

use super::math::{Vec3, normalize};
use frbench_base::rng::Stream;
use std::f64::consts::PI;

/// What a protocol asks of its pictures; the rest is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    pub pose: Pose,
    pub age: Age,
    /// Scales expression, light, occluders and camera faults; 1 is a photograph from the web.
    pub nuisance: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pose {
    /// Degrees of yaw: normal with this spread, at most `limit` to either side.
    Around { spread: f32, limit: f32 },
    /// To one side, between these degrees.
    Side { low: f32, high: f32 },
    /// Every pose: frontal mostly, up to full profile.
    Wild,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Age {
    Exactly(f32),
    Between(f32, f32),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// Radians; positive yaw turns the face to the picture's right, positive pitch up.
    pub yaw: f32,
    pub pitch: f32,
    pub roll: f32,
    /// Distance of the camera, cm.
    pub distance: f32,
    /// Pixels of the picture per pixel of the aligned crop.
    pub zoom: f32,
    pub expression: Expression,
    /// Years.
    pub age: f32,
    /// Deviation from the person's usual build.
    pub weight: f32,
    pub light: Light,
    pub hair: Hair,
    pub beard: f32,
    pub makeup: f32,
    /// Brows plucked (-1) or left to grow (1).
    pub grooming: f32,
    pub glasses: Option<Glasses>,
    pub mask: Option<Vec3>,
    pub hat: Option<Hat>,
    pub camera: Camera,
    /// Errors of the landmark detector in cm, for each landmark.
    pub detector: [[f32; 2]; 5],
    /// Seed of the background and of fine randomness.
    pub seed: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expression {
    pub smile: f32,
    pub open: f32,
    pub pucker: f32,
    pub brow_raise: f32,
    pub frown: f32,
    /// 0 wide open, 1 closed.
    pub squint: f32,
    pub gaze: [f32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Light {
    /// Towards the key light, a unit vector.
    pub direction: Vec3,
    pub key: Vec3,
    pub ambient: Vec3,
    /// Colour and strength of a second light from the opposite side.
    pub fill: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hair {
    pub color: Vec3,
    /// Thickness over the skull, cm.
    pub volume: f32,
    /// Long hair falls over the ears and down the neck.
    pub long: bool,
    /// How far back the long hair opens the face, radians.
    pub opening: f32,
    /// How far the fringe falls below the hairline, cm; 0 is none.
    pub fringe: f32,
    /// Where the hair is parted: tilts the fringe.
    pub part: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glasses {
    pub color: Vec3,
    /// Half width and half height of a lens, cm, and thickness of the frame.
    pub lens: [f32; 2],
    pub frame: f32,
    /// 0 an oval, 1 nearly a rectangle.
    pub square: f32,
    pub dark: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hat {
    pub color: Vec3,
    /// Height of its rim over the eyes, cm.
    pub rim: f32,
    pub brim: f32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// Factor on light, in powers of two.
    pub exposure: f32,
    /// Gains of red, green, blue.
    pub balance: Vec3,
    pub contrast: f32,
    /// Fraction of colour kept: 0 is grey.
    pub saturation: f32,
    /// Gaussian sigma, pixels of the picture.
    pub blur: f32,
    /// Standard deviation of sensor noise, grey levels.
    pub noise: f32,
    pub jpeg: u8,
}

impl Condition {
    /// Draws a picture's condition.
    pub fn sample(s: &mut Stream, profile: &Profile) -> Self {
        let n = f64::from(profile.nuisance);
        let yaw = yaw(s, profile.pose);
        let age = match profile.age {
            Age::Exactly(a) => a,
            Age::Between(a, b) => s.range(f64::from(a), f64::from(b)) as f32,
        };
        // Detectors err more on faces that they see from the side.
        let turned = f64::from(yaw.abs()) / (PI / 2.0);
        let error = 0.10 + 0.28 * turned * turned;
        let mut detector = [[0.0; 2]; 5];
        for p in &mut detector {
            *p = [(error * s.normal()) as f32, (error * s.normal()) as f32];
        }
        Condition {
            yaw,
            pitch: (s.normal() * 0.12 * n).clamp(-0.5, 0.5) as f32,
            roll: (s.normal() * 0.12).clamp(-0.6, 0.6) as f32,
            distance: s.range(60.0, 220.0) as f32,
            zoom: s.range(0.82, 0.96) as f32,
            expression: expression(s, n),
            age,
            weight: (s.normal() * 0.55 * n).clamp(-1.5, 1.5) as f32,
            light: light(s, n),
            hair: hair(s, age),
            beard: if s.chance(0.3) {
                s.range(0.2, 1.0) as f32
            } else {
                s.range(0.0, 0.2) as f32
            },
            makeup: if s.chance(0.2) {
                s.range(0.2, 1.0) as f32
            } else {
                0.0
            },
            grooming: s.range(-1.0, 1.0) as f32,
            glasses: s.chance(0.16 * n).then(|| glasses(s)),
            mask: s.chance(0.03 * n).then(|| fabric(s)),
            hat: s.chance(0.08 * n).then(|| Hat {
                color: fabric(s),
                rim: s.range(4.2, 6.0) as f32,
                brim: if s.chance(0.5) {
                    s.range(3.0, 6.0) as f32
                } else {
                    0.0
                },
            }),
            camera: camera(s, n),
            detector,
            seed: s.next_u64() as u32,
        }
    }
}

fn yaw(s: &mut Stream, pose: Pose) -> f32 {
    let side = if s.chance(0.5) { 1.0 } else { -1.0 };
    let degrees = match pose {
        Pose::Around { spread, limit } => {
            let limit = f64::from(limit);
            (s.normal().abs() * f64::from(spread)).min(limit)
        }
        Pose::Side { low, high } => s.range(f64::from(low), f64::from(high)),
        Pose::Wild => {
            if s.chance(0.68) {
                (s.normal().abs() * 18.0).min(60.0)
            } else {
                s.range(20.0, 90.0)
            }
        }
    };
    (side * degrees * PI / 180.0) as f32
}

fn expression(s: &mut Stream, n: f64) -> Expression {
    let mut e = Expression {
        squint: (s.range(-0.15, 0.35) * n).max(-0.1) as f32,
        gaze: [
            (s.normal() * 0.22).clamp(-0.5, 0.5) as f32,
            (s.normal() * 0.07).clamp(-0.15, 0.15) as f32,
        ],
        ..Expression::default()
    };
    if s.chance(0.45) {
        e.smile = (s.range(0.2, 1.1) * n) as f32;
    }
    if s.chance(0.3) {
        e.open = (s.range(0.1, 0.9) * n) as f32;
    }
    if s.chance(0.08) {
        e.pucker = (s.range(0.3, 1.0) * n) as f32;
    }
    if s.chance(0.2) {
        e.brow_raise = (s.range(0.2, 1.0) * n) as f32;
    }
    if s.chance(0.15) {
        e.frown = (s.range(0.2, 1.0) * n) as f32;
    }
    if s.chance(0.03 * n) {
        e.squint = 1.0;
    }
    e
}

fn light(s: &mut Stream, n: f64) -> Light {
    let (side, above) = (s.normal() * 0.75 * n, 0.35 + s.normal() * 0.4);
    let direction = normalize([side as f32, above as f32, 0.9]);
    let strength = s.range(0.55, 1.25);
    let warmth = s.normal() * 0.09;
    let ambient = s.range(0.22, 0.65);
    let sky = s.normal() * 0.06;
    let tinted = |v: f64, w: f64| [(v * (1.0 + w)) as f32, v as f32, (v * (1.0 - w)) as f32];
    Light {
        direction,
        key: tinted(strength, warmth),
        ambient: tinted(ambient, sky),
        fill: s.range(0.0, 0.4) as f32,
    }
}

fn hair(s: &mut Stream, age: f32) -> Hair {
    // People dye their hair and wear wigs here more than they do elsewhere: its colour must
    // not tell who they are.
    const COLORS: [Vec3; 7] = [
        [0.012, 0.010, 0.009],
        [0.030, 0.018, 0.012],
        [0.075, 0.040, 0.022],
        [0.16, 0.085, 0.04],
        [0.36, 0.24, 0.12],
        [0.22, 0.07, 0.025],
        [0.022, 0.016, 0.014],
    ];
    let base = COLORS[s.below(COLORS.len() as u64) as usize];
    let gray = ((f64::from(age) - 38.0) / 40.0 + 0.25 * s.normal()).clamp(0.0, 1.0) as f32;
    let gray = if age < 30.0 { 0.0 } else { gray };
    let shade = s.range(0.7, 1.3) as f32;
    let color = super::math::mix3(
        super::math::scale(base, shade),
        [0.42, 0.42, 0.42],
        gray * 0.85,
    );
    let long = s.chance(0.42);
    Hair {
        color,
        volume: if long {
            s.range(0.7, 1.6)
        } else {
            s.range(0.25, 1.5)
        } as f32,
        long,
        opening: s.range(1.0, 1.5) as f32,
        fringe: if s.chance(0.22) {
            s.range(0.6, 3.0) as f32
        } else {
            0.0
        },
        part: s.range(-1.0, 1.0) as f32,
    }
}

fn glasses(s: &mut Stream) -> Glasses {
    let tone = s.range(0.01, 0.08) as f32;
    Glasses {
        color: if s.chance(0.6) {
            [tone; 3]
        } else {
            [tone * 3.0, tone * 1.6, tone]
        },
        lens: [s.range(2.1, 2.6) as f32, s.range(1.5, 2.1) as f32],
        frame: s.range(0.16, 0.45) as f32,
        square: s.uniform() as f32,
        dark: s.chance(0.12),
    }
}

/// Colour of a fabric.
fn fabric(s: &mut Stream) -> Vec3 {
    let v = s.range(0.02, 0.7);
    let mut c = || (v * s.range(0.45, 1.2)) as f32;
    [c(), c(), c()]
}

fn camera(s: &mut Stream, n: f64) -> Camera {
    let warm = s.normal() * 0.11 * n;
    let green = s.normal() * 0.035 * n;
    Camera {
        exposure: (s.normal() * 0.38 * n).clamp(-1.0, 0.9) as f32,
        balance: [
            (1.0 + warm) as f32,
            (1.0 + green) as f32,
            (1.0 - warm) as f32,
        ],
        contrast: s.range(0.85, 1.15) as f32,
        saturation: if s.chance(0.05 * n) {
            0.0
        } else {
            s.range(0.7, 1.15) as f32
        },
        blur: if s.chance(0.25 * n) {
            s.range(0.9, 1.8)
        } else {
            s.range(0.5, 0.85)
        } as f32,
        noise: (s.range(0.5, 2.5)
            + if s.chance(0.25 * n) {
                s.range(1.0, 6.0)
            } else {
                0.0
            }) as f32,
        jpeg: if s.chance(0.2 * n) {
            45 + s.below(30)
        } else {
            78 + s.below(20)
        } as u8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(i: u64, pose: Pose) -> Condition {
        let profile = Profile {
            pose,
            age: Age::Between(20.0, 60.0),
            nuisance: 1.0,
        };
        Condition::sample(&mut Stream::derive(1, "condition-test", &[i]), &profile)
    }

    #[test]
    fn poses_stay_within_what_was_asked() {
        for i in 0..500 {
            let around = draw(
                i,
                Pose::Around {
                    spread: 15.0,
                    limit: 30.0,
                },
            )
            .yaw;
            assert!(around.abs() <= 30.0f32.to_radians() + 1e-5);
            let side = draw(
                i,
                Pose::Side {
                    low: 60.0,
                    high: 90.0,
                },
            )
            .yaw
            .abs();
            assert!((60.0f32.to_radians() - 1e-5..=90.0f32.to_radians() + 1e-5).contains(&side));
        }
    }

    #[test]
    fn occluders_occur_and_are_not_the_rule() {
        let all: Vec<_> = (0..1000).map(|i| draw(i, Pose::Wild)).collect();
        let glasses = all.iter().filter(|c| c.glasses.is_some()).count();
        let masks = all.iter().filter(|c| c.mask.is_some()).count();
        assert!((100..230).contains(&glasses), "{glasses}");
        assert!((10..60).contains(&masks), "{masks}");
    }
}
