//! Parse, dispatch, print the error, exit.

mod cli;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::dispatch(cli::Cli::parse(), frbench::run::executors::execute) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            cli::output::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
