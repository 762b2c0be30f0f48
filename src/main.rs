//! Parse, dispatch, print the error, exit.

use clap::Parser;
use frbench::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::dispatch(cli::Cli::parse(), cli::machine::Executors::of_build()) {
        Ok(status) => ExitCode::from(status.code()),
        Err(error) => {
            cli::output::error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}
