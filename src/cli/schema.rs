//! `frbench schema`

use super::exit::ExitStatus;
use super::output::print_json;
use frbench::Result;
use frbench::suite::schema;

pub fn schema() -> Result<ExitStatus> {
    print_json(&schema::schema(&super::context::catalogue()?))?;
    Ok(ExitStatus::Success)
}
