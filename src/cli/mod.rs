//! The command line: clap types and one file per subcommand. All printing is done here.

mod align;
pub mod baseline;
pub mod bench;
mod bench_tables;
pub mod check;
pub mod compare;
pub mod context;
pub mod data;
mod data_add;
mod data_export;
mod data_find;
mod data_inspect;
mod data_overlap;
pub mod embed;
pub mod eval;
mod eval_given;
pub mod exit;
pub mod explain;
pub mod export;
mod input_probe;
pub mod list;
pub mod lr;
pub mod machine;
pub mod matching;
mod network;
pub mod nightly;
mod origin;
pub mod output;
mod pace;
pub mod parity;
mod power;
pub mod progress;
mod redo;
pub mod references;
pub mod report;
mod resolved;
pub mod run;
pub mod runs;
pub mod schema;
pub mod show;
mod table;
pub mod text;
mod transfer;
mod wrong_pairs;

use crate::Result;
use clap::{Parser, Subcommand};
use exit::ExitStatus;
use machine::Executors;

/// A benchmark and reproducibility harness for face recognition research.
///
/// A suite (TOML) says what to train, evaluate and compare. `frbench run SUITE` does it and
/// writes a report; running it again continues where it stopped and repeats nothing.
#[derive(Parser)]
#[command(name = "frbench", version = version(), after_help = exit::HELP, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What commands work with.
struct Means {
    executors: Executors,
}

/// The commands: for each its help, its name, its arguments and what runs it.
///
/// `by executors` hands on what executes jobs to a command that has some done.
macro_rules! commands {
    ($($(#[$attribute:meta])* $name:ident($args:ty) => $run:path $(, by $means:ident)?;)*) => {
        #[derive(Subcommand)]
        enum Command {
            $($(#[$attribute])* $name($args),)*
        }

        impl Command {
            fn run(self, means: &Means) -> Result<ExitStatus> {
                match self {
                    $(Command::$name(args) => $run(args $(, means.$means)?),)*
                }
            }
        }
    };
}

commands! {
    /// Train, evaluate and report a suite
    Run(run::RunArgs) => run::run, by executors;
    /// Evaluate networks that were trained elsewhere, from their files
    Eval(eval::EvalArgs) => eval::eval, by executors;
    /// Embed pictures with a network from a file, into a NumPy file
    Embed(embed::EmbedArgs) => embed::embed;
    /// Crop pictures of faces to the template by their landmarks
    Align(align::AlignArgs) => align::align;
    /// Compare two pictures with a network from a file
    Match(matching::MatchArgs) => matching::matches;
    /// List suites and everything that a suite can name
    List(list::ListArgs) => list::list;
    /// Show what a suite would run: jobs, sharing, what is done, rough cost
    Show(show::ShowArgs) => show::show;
    /// Say what differs between two jobs that were run
    Explain(explain::ExplainArgs) => explain::explain;
    /// Check a suite without running it
    Check(check::CheckArgs) => check::check;
    /// Render the report of what has been run so far
    Report(report::ReportArgs) => report::report;
    /// Write what has been run so far for TensorBoard, LaTeX or spreadsheets
    Export(export::ExportArgs) => export::export;
    /// List published numbers with their sources
    References(references::ReferencesArgs) => references::references;
    /// Hold heads, losses, networks and protocols against golden cases of other code
    #[command(after_long_help = parity::EXPORT)]
    Parity(parity::ParityArgs) => parity::parity;
    /// Make, look at and verify data sets
    #[command(subcommand)]
    Data(data::DataCommand) => data::data;
    /// Measure how fast this machine trains and embeds
    Bench(bench::BenchArgs) => bench::bench;
    /// Print the JSON Schema of suites, for editors
    Schema(schema::SchemaArgs) => schema::schema;
    /// Run suites against their baselines: what regressed since they were recorded
    Nightly(nightly::NightlyArgs) => nightly::nightly, by executors;
    /// Record, accept, show and compare what nightly runs are held against
    #[command(subcommand)]
    Baseline(baseline::BaselineCommand) => baseline::baseline, by executors;
    /// Compare two baselines, reports or folders of runs, value by value
    Compare(compare::CompareArgs) => compare::compare;
    /// Say what lies in the folder of runs, and remove what is not needed again
    Runs(runs::RunsCommandArgs) => runs::runs;
}

/// Runs the command.
pub fn dispatch(cli: Cli, executors: Executors) -> Result<ExitStatus> {
    if let Ok(name) = std::env::var("FRBENCH_ISA") {
        crate::engine::ops::simd::Level::parse(&name)?;
    }
    cli.command.run(&Means { executors })
}

/// `0.1.0 (1a2b3c4, clean)`.
fn version() -> &'static str {
    use crate::build::BUILD;
    static TEXT: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let revision = &BUILD.revision[..BUILD.revision.len().min(12)];
        format!("{} ({revision}, {})", BUILD.version, BUILD.tree)
    });
    &TEXT
}
