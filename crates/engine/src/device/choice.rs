//! The choice of a device.

use std::str::FromStr;

/// A device as it is asked for: `auto`, `cpu`, `cuda` (the first GPU) or `cuda:N`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU if there is one, else the CPU.
    Auto,
    #[default]
    Cpu,
    Cuda(usize),
}

impl DeviceChoice {
    /// What is meant where nothing is said: a build for GPUs looks for one.
    pub fn of_build() -> DeviceChoice {
        match cfg!(feature = "cuda") {
            true => DeviceChoice::Auto,
            false => DeviceChoice::Cpu,
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let number = |n: &str| n.parse().map(DeviceChoice::Cuda).ok();
        let choice = match text {
            "auto" => Some(DeviceChoice::Auto),
            "cpu" => Some(DeviceChoice::Cpu),
            "cuda" => Some(DeviceChoice::Cuda(0)),
            _ => text.strip_prefix("cuda:").and_then(number),
        };
        choice.ok_or_else(|| "want auto, cpu, cuda or cuda:N with N counted from 0".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_asked_for_by_name() {
        let choice = |t: &str| t.parse::<DeviceChoice>();
        assert_eq!(choice("auto"), Ok(DeviceChoice::Auto));
        assert_eq!(choice("cuda"), Ok(DeviceChoice::Cuda(0)));
        assert_eq!(choice("cuda:3"), Ok(DeviceChoice::Cuda(3)));
        for bad in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert!(choice(bad).is_err(), "{bad}");
        }
    }
}
