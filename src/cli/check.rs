//! `frbench check`

use super::context;
use super::exit::ExitStatus;
use super::output::print;
use crate::Result;
use clap::Args;

#[derive(Args, Debug)]
pub struct CheckArgs {
    /// A suite's name or the path of a TOML file
    pub suite: String,
}

pub fn check(args: CheckArgs) -> Result<ExitStatus> {
    let (suite, _) = context::load(&args.suite)?;
    let profiles: Vec<&str> = suite.profiles.iter().map(|p| p.id.as_str()).collect();
    print(&format!(
        "{}: suite `{}` is well formed: {} entries, {} claims, profiles {}\n",
        suite.source.name,
        suite.name,
        suite.entries.len(),
        suite.claims.len(),
        profiles.join(", ")
    ))?;
    Ok(ExitStatus::Success)
}
