//! Which build this is.

use crate::plan::{Build, Code, DeviceKind};

/// What the program was built from.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("FRBENCH_GIT"),
    tree: env!("FRBENCH_DIRTY"),
    target: env!("FRBENCH_TARGET"),
    profile: env!("FRBENCH_PROFILE"),
    lock: env!("FRBENCH_LOCK"),
};

/// The code that enters the keys of jobs on such a device.
pub fn code(device: DeviceKind) -> Code {
    Code::of_build(include_str!("../Cargo.lock"), device)
}
