//! Nights, from baselines to exit codes, with executors that train nothing.
#![allow(
    clippy::unwrap_used,
    clippy::exit,
    reason = "tests fail where they panic, and one of them is the program"
)]

#[path = "../common/scripted.rs"]
mod scripted;

mod disturbed;
mod exit_codes;
mod outputs;
mod place;
mod runs;

use clap::Parser;
use frbench::cli;

/// Is the program, where a test has begun it with its arguments in `FRBENCH_SCRIPTED`.
#[test]
fn program() {
    let Ok(args) = std::env::var("FRBENCH_SCRIPTED") else {
        return;
    };
    let args: Vec<String> = serde_json::from_str(&args).unwrap();
    let executors = cli::machine::Executors {
        execute: scripted::execute,
        code: scripted::code,
    };
    let code = match cli::dispatch(cli::Cli::parse_from(args), executors) {
        Ok(status) => status.code(),
        Err(error) => {
            cli::output::error(&error);
            error.exit_code()
        }
    };
    std::process::exit(code.into());
}
