//! What is trained: one file per architecture, margin head, loss and method, and one static
//! table of each kind.

pub mod backbone;
pub mod distill;
pub mod head;
pub mod method;

/// The hash of the sources of this crate: part of the keys of jobs.
pub const SOURCES: &str = env!("FRBENCH_SOURCES_METHODS");
/// That of the backbones alone: an embedding depends on nothing else here.
pub const BACKBONE_SOURCES: &str = env!("FRBENCH_SOURCES_BACKBONES");
