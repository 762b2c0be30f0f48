//! `frbench schema`

use super::exit::ExitStatus;
use super::output::print_json;
use crate::Result;
use crate::suite::schema;
use clap::Args;

#[derive(Args, Debug)]
pub struct SchemaArgs {}

pub fn schema(_: SchemaArgs) -> Result<ExitStatus> {
    print_json(&schema::schema(&super::context::catalogue()?))?;
    Ok(ExitStatus::Success)
}
