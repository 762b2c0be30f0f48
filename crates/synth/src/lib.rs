//! The procedural face world: pictures of people who do not exist.
//!
//! A person ([`Identity`]) is a 3-D head of dozens of parameters; a picture adds a
//! [`Condition`] (pose, expression, age, light, hair, occluders, camera). The head is drawn by
//! a z-buffer rasteriser into a picture with five landmarks, and the picture is aligned as a
//! photograph is. Everything is a function of the world's seed and the addresses of person and
//! picture, in portable arithmetic: the same bytes on every machine.
//!
//! The generator is frozen: a change of any pixel is a new [`VERSION`].
//!
//! People differ by construction up to a stated bound: 24 of the 42 independent shape weights
//! of an identity, cut into eight equally likely parts each, place it in one of 2^72 cells
//! ([`Identity::cell`]). Two people in different cells have different heads, and by the birthday
//! bound any two of 10^6 people share a cell with a probability below 1.1e-10.

pub mod camera;
pub mod condition;
pub mod hair;
pub mod head;
pub mod identity;
pub mod math;
pub mod morph;
pub mod paint;
pub mod photo;
pub mod props;
pub mod raster;
pub mod scene;
pub mod shade;
pub mod sheet;
pub mod spool;
pub mod texture;
pub mod tiny;
pub mod twin;
pub mod world;
pub mod write;

pub use condition::{Age, Condition, Pose, Profile};
pub use identity::Identity;
pub use sheet::contact_sheet;
pub use spool::Spool;
pub use twin::{Arrangement, Pair, SEED, TWINS, Twin, TwinInfo, twin};
pub use world::{Rendered, VERSION, World};
pub use write::{Progress, SIDE_FILES, assemble, render, side_files, write};

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
