//! From addresses to aligned pictures.

use super::camera::develop;
use super::condition::{Condition, Profile};
use super::identity::Identity;
use super::paint::Paint;
use super::scene::Scene;
use super::shade::picture;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_data::align::{Landmarks, Similarity, template, warp};
use frbench_data::image::Image;

/// Version of the generator, part of every data set's name.
pub const VERSION: &str = "v1";

/// Side of an aligned crop, pixels.
pub const CROP: usize = 112;

/// A world of people, addressed by `u64`.
#[derive(Clone, Debug)]
pub struct World {
    seed: u64,
}

/// An aligned picture.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// 112 x 112 RGB.
    pub image: Image,
    /// Where the landmarks truly are in the crop.
    pub landmarks: Landmarks,
}

impl World {
    /// # Errors
    /// [`Error::Usage`] if this build does not have that version of the generator.
    pub fn new(version: &str, seed: u64) -> Result<Self> {
        if version == VERSION {
            Ok(World { seed })
        } else {
            Err(Error::Usage(format!(
                "unknown face world `{version}`; this frbench renders `{VERSION}`"
            )))
        }
    }

    pub fn identity(&self, id: u64) -> Identity {
        Identity::new(self.seed, id)
    }

    /// The condition of picture `image` of person `id`.
    pub fn condition(&self, id: u64, image: u64, profile: &Profile) -> Condition {
        let mut s = Stream::derive(self.seed, "synth-condition", &[id, image]);
        Condition::sample(&mut s, profile)
    }

    /// The aligned picture of a person under a condition.
    pub fn render(&self, id: &Identity, c: &Condition) -> Rendered {
        let scene = Scene::new(id, c);
        let paint = Paint::new(id, c);
        let mut grain = Stream::derive(u64::from(c.seed), "synth-grain", &[id.id]);
        let photo = develop(
            picture(&scene, &paint, c),
            scene.side,
            &c.camera,
            &mut grain,
        );
        // The fit exists: the landmarks of a head never coincide.
        let to = Similarity::fit(&scene.detected, &template(CROP.into())).unwrap_or(Similarity {
            a: 1.0,
            b: 0.0,
            tx: 0.0,
            ty: 0.0,
        });
        Rendered {
            image: warp(&photo, &to.inverse(), CROP.into()),
            landmarks: scene.landmarks.map(|p| to.apply(p)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::{Age, Pose};

    fn world() -> World {
        World::new(VERSION, 5).unwrap()
    }

    fn plain(w: &World, id: u64) -> Condition {
        let frontal = Profile {
            pose: Pose::Around {
                spread: 1.0,
                limit: 2.0,
            },
            age: Age::Exactly(40.0),
            nuisance: 0.1,
        };
        Condition {
            glasses: None,
            mask: None,
            hat: None,
            ..w.condition(id, 0, &frontal)
        }
    }

    /// Sums of absolute differences over the upper and the lower half.
    fn halves(a: &Image, b: &Image) -> [u64; 2] {
        let middle = a.pixels.len() / 2;
        let sum = |p: &[u8], q: &[u8]| {
            p.iter()
                .zip(q)
                .map(|(x, y)| u64::from(x.abs_diff(*y)))
                .sum()
        };
        [
            sum(&a.pixels[..middle], &b.pixels[..middle]),
            sum(&a.pixels[middle..], &b.pixels[middle..]),
        ]
    }

    #[test]
    fn a_mask_hides_the_lower_half_of_the_face() {
        let w = world();
        let id = w.identity(8);
        let bare = plain(&w, 8);
        let masked = Condition {
            mask: Some([0.6, 0.7, 0.8]),
            ..bare.clone()
        };
        let [up, down] = halves(&w.render(&id, &bare).image, &w.render(&id, &masked).image);
        assert!(down > 20 * up && down > 100_000, "{up} {down}");
    }

    #[test]
    fn positive_yaw_turns_the_face_to_the_right_and_pitch_up() {
        let w = world();
        let id = w.identity(9);
        let nose = |yaw: f32, pitch: f32| {
            let c = Condition {
                yaw,
                pitch,
                roll: 0.0,
                ..plain(&w, 9)
            };
            let l = w.render(&id, &c).landmarks;
            let mean = |k| (l[0][k] + l[1][k] + l[3][k] + l[4][k]) / 4.0;
            [l[2][0] - mean(0), l[2][1] - mean(1)]
        };
        assert!(nose(0.5, 0.0)[0] > 5.0 && nose(-0.5, 0.0)[0] < -5.0);
        assert!(nose(0.0, 0.3)[1] < nose(0.0, -0.3)[1] - 3.0);
    }

    #[test]
    fn a_person_differs_from_others_more_than_from_a_second_exposure() {
        let w = world();
        let c = plain(&w, 12);
        let again = Condition {
            seed: c.seed ^ 1,
            ..c.clone()
        };
        let face = |id: u64, c: &Condition| {
            let image = w.render(&w.identity(id), c).image;
            // The inner face only: hair and background belong to the picture.
            (40..104)
                .flat_map(|y| (32..80).map(move |x| (x, y)))
                .map(|(x, y)| f64::from(image.pixel(x, y)[1]))
                .collect::<Vec<_>>()
        };
        let apart =
            |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(x, y)| (x - y).abs()).sum() };
        let (one, two, other) = (face(12, &c), face(12, &again), face(16, &c));
        assert!(apart(&one, &other) > 2.0 * apart(&one, &two));
    }

    #[test]
    fn other_versions_of_the_world_are_refused() {
        let message = World::new("v9", 0).unwrap_err().to_string();
        assert!(
            message.contains("v9") && message.contains("v1"),
            "{message}"
        );
    }
}
