//! `frbench show --resolved`

use super::context;
use super::exit::ExitStatus;
use super::output::print;
use crate::Result;
use crate::suite::{Suite, whole};

/// Prints the suite called `name` as one file, and in its head where that comes from.
pub fn resolved(name: &str) -> Result<ExitStatus> {
    let (suite, _) = context::load(name)?;
    print(&text(&suite)?)?;
    Ok(ExitStatus::Success)
}

fn text(suite: &Suite) -> Result<String> {
    let whole = whole(&suite.source)?;
    let mut out = format!(
        "# {} with all that it takes in its place.\n",
        suite.source.name
    );
    for taken in &whole.taken {
        out += &format!(
            "# Profile `{}`: recipe `{}` of {}.\n",
            taken.profile, taken.recipe, taken.file
        );
    }
    Ok(out + &whole.text())
}
