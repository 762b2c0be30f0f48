//! Suites and their plans.

mod conditions;
mod embedded;
mod errors;
mod kept_images;
mod keys;
mod plan;
mod presets;
mod tiny;
