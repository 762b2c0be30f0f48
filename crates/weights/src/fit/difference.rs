//! How a file's tensors differ from those of a backbone, in words.

/// How many names a message shows.
const SHOWN: usize = 6;

/// How tensors differ from those of a backbone.
pub struct Difference {
    /// How many names both have.
    pub shared: usize,
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
    /// Those of another shape: the name, what it is, what it would have to be.
    pub misshapen: Vec<(String, Vec<usize>, Vec<usize>)>,
}

impl Difference {
    pub fn len(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.misshapen.len()
    }

    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if !self.missing.is_empty() {
            parts.push(format!(
                "{} missing ({})",
                self.missing.len(),
                names(&self.missing)
            ));
        }
        if !self.unexpected.is_empty() {
            let count = self.unexpected.len();
            parts.push(format!("{count} unexpected ({})", names(&self.unexpected)));
        }
        if !self.misshapen.is_empty() {
            let shown = self.misshapen.iter().take(SHOWN);
            let shown = shown.map(|(name, is, want)| format!("`{name}` is {is:?}, want {want:?}"));
            let shown: Vec<String> = shown.collect();
            parts.push(format!(
                "{} of another shape ({}{})",
                self.misshapen.len(),
                shown.join(", "),
                more(self.misshapen.len())
            ));
        }
        parts.join("; ")
    }
}

/// The first few of the names.
pub fn names(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(|n| format!("`{n}`"));
    shown.collect::<Vec<_>>().join(", ") + more(names.len())
}

fn more(count: usize) -> &'static str {
    if count > SHOWN { ", ..." } else { "" }
}
