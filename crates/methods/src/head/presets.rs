//! Constants that implementations disagree on, by name and with the source they are from.
//! Each head states its own; a suite names them by `preset = "..."`.

use frbench_base::registry::Params;

/// The parameters of a head in one paper or implementation.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Unique among the presets of its head.
    pub name: &'static str,
    /// The paper or file that has them.
    pub source: &'static str,
    /// As the JSON object of the head's parameters: all that the source fixes.
    pub params: &'static str,
}

impl Preset {
    /// Its parameters by name.
    pub fn params(&self) -> Params {
        // The text is ours, and a test reads every one.
        serde_json::from_str(self.params).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HEADS, build};
    use frbench_base::registry::Params;
    use frbench_job::HeadSpec;

    #[test]
    fn every_preset_builds_under_a_name_of_its_own() {
        let mut built = 0;
        for head in HEADS {
            for (i, preset) in head.presets.iter().enumerate() {
                let what = format!("{} {}", head.info.name, preset.name);
                let parsed: Result<Params, _> = serde_json::from_str(preset.params);
                assert!(parsed.is_ok(), "{what}: {parsed:?}");
                let spec = HeadSpec {
                    name: head.info.name.to_owned(),
                    params: preset.params(),
                };
                let error = build(&spec).err();
                assert!(error.is_none(), "{what}: {error:?}");
                let same = head.presets[..i].iter().any(|p| p.name == preset.name);
                assert!(!same, "{what} is there twice");
                built += 1;
            }
        }
        assert!(built > 20);
    }
}
