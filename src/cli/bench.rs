//! `frbench bench`

use super::context::set_threads;
use super::exit::ExitStatus;
use super::output::{print, print_json};
use super::progress::Progress;
use super::text::{quantity, table};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use frbench::bench::case::Named;
use frbench::bench::{self, Case, Measured, Work, peak};
use frbench::nn::Device;
use frbench::plan::spec::BackboneSpec;
use frbench::run::environment;
use frbench::{Error, Result};
use serde_json::{Value, json};
use std::num::NonZeroUsize;
use std::process::Command;

#[derive(Args, Debug)]
pub struct BenchArgs {
    /// A network to measure, such as `mobilefacenet:width=0.5,size=64`; may be repeated
    /// [default: iResNet-18 and -50, MobileFaceNet, MobileNetV2, and a small MobileFaceNet]
    #[arg(long, value_name = "NAME[:KEY=VALUE,...]")]
    pub backbone: Vec<Named>,
    /// Images per training step and per embedding pass (which is measured one by one, too)
    #[arg(long, value_name = "N", default_value = "32", value_parser = count(2, 4096))]
    pub batch: usize,
    /// Side of the input in pixels, a multiple of 16 [default: 112, or what a network states]
    #[arg(long, value_name = "PIXELS", value_parser = count(16, 1024))]
    pub size: Option<usize>,
    /// Dimensions of the embedding
    #[arg(long, value_name = "N", default_value = "512", value_parser = count(1, 8192))]
    pub embedding: usize,
    /// Classes of the training
    #[arg(long, value_name = "N", default_value = "1000", value_parser = count(2, 10_000_000))]
    pub classes: usize,
    /// Iterations of each kind, after one to warm up
    #[arg(long, value_name = "N", default_value = "7", value_parser = count(1, 1000))]
    pub rounds: usize,
    /// Threads [default: all cores]
    #[arg(long, value_name = "N")]
    pub threads: Option<NonZeroUsize>,
    /// Show the time of every operation, too
    #[arg(long)]
    pub operations: bool,
    /// Print the measurements as JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Answer commands on standard input; see `frbench::bench::serve`
    #[arg(long, hide = true, conflicts_with_all = ["json", "backbone"])]
    pub serve: bool,
}

fn count(min: u64, max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(min..=max)
}

/// What is measured where nothing is named: the networks of the face recognition literature
/// at their usual input, and the student of the demo.
const NETWORKS: [&str; 5] = [
    "iresnet18",
    "iresnet50",
    "mobilefacenet",
    "mobilenetv2:stem_stride=1",
    "mobilefacenet:width=0.5,size=64",
];

/// Matrix products that the machine's peak is the median of.
const PRODUCTS: usize = 15;

pub fn bench(args: BenchArgs) -> Result<ExitStatus> {
    set_threads(args.threads)?;
    if args.serve {
        bench::serve(std::io::stdin().lock(), std::io::stdout().lock())?;
        return Ok(ExitStatus::Success);
    }
    let cases = cases(&args)?;
    let peak = peak::gemm_gflops(PRODUCTS)?;
    let progress = Progress::new(args.json);
    let mut measured = Vec::new();
    for (i, case) in cases.iter().enumerate() {
        let name = describe(case);
        progress.advance(&name, i as u64, cases.len() as u64, "measured", "");
        measured.push(bench::measure(case, args.rounds, server()?)?);
    }
    progress.clear();
    if args.json {
        print_json(&as_json(&measured, peak))?;
    } else {
        print(&as_table(&measured, peak))?;
        if args.operations {
            measured.iter().try_for_each(|m| print(&operations(m)))?;
        }
    }
    Ok(ExitStatus::Success)
}

/// Every case, checked before the first is measured.
fn cases(args: &BenchArgs) -> Result<Vec<Case>> {
    let mut networks = args.backbone.clone();
    if networks.is_empty() {
        let parsed = NETWORKS.iter().map(|n| n.parse());
        networks = parsed.collect::<Result<_, _>>().map_err(Error::Bug)?;
    }
    let mut cases = Vec::new();
    for network in networks {
        let backbone = BackboneSpec {
            name: network.name,
            embedding: args.embedding,
            params: network.params,
            conv: Default::default(),
        };
        let size = args.size.or(network.size).unwrap_or(112);
        for (work, batch) in [
            (Work::Train, args.batch),
            (Work::Embed, args.batch),
            (Work::Embed, 1),
        ] {
            let case = Case {
                work,
                backbone: backbone.clone(),
                size,
                batch,
                classes: args.classes,
            };
            case.check()?;
            cases.push(case);
        }
    }
    Ok(cases)
}

/// This program, answering commands.
fn server() -> Result<Command> {
    let program = std::env::current_exe().map_err(|e| Error::io("frbench", e))?;
    let mut command = Command::new(program);
    let threads = rayon::current_num_threads().to_string();
    command.args(["bench", "--serve", "--threads", &threads]);
    Ok(command)
}

fn describe(case: &Case) -> String {
    let params = case.backbone.params.iter();
    let params: String = params.map(|(k, v)| format!(" {k}={v}")).collect();
    format!("{}{params} @{}", case.backbone.name, case.size)
}

fn work(case: &Case) -> &'static str {
    match case.work {
        Work::Train => "train",
        Work::Embed => "embed",
    }
}

fn as_json(measured: &[Measured], peak: f64) -> Value {
    let rows = measured.iter().map(|m| {
        let mut row = json!(m);
        row["of_gemm"] = json!(m.gflops / peak);
        row
    });
    json!({
        "environment": environment::capture(&Device::Cpu),
        "gemm_gflops": peak,
        "measured": rows.collect::<Vec<_>>(),
    })
}

/// The operations of one iteration, longest first.
fn operations(measured: &Measured) -> String {
    let mut all: Vec<_> = measured.operations.iter().collect();
    all.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    let total: f64 = all.iter().map(|(_, spent)| spent.ms).sum();
    let mut rows = vec![
        ["operation", "calls", "ms", "share"]
            .map(String::from)
            .to_vec(),
    ];
    for (name, spent) in all {
        rows.push(vec![
            name.clone(),
            spent.calls.to_string(),
            format!("{:.2}", spent.ms),
            format!("{:.1} %", 100.0 * spent.ms / total),
        ]);
    }
    let case = &measured.case;
    let title = format!("{}, {}, batch {}", describe(case), work(case), case.batch);
    format!("\n {title}\n{}", table(&rows))
}

fn as_table(measured: &[Measured], peak: f64) -> String {
    let heading = [
        "network",
        "params",
        "MACs",
        "work",
        "batch",
        "ms",
        "min",
        "images/s",
        "GFLOP/s",
        "of GEMM",
        "input wait",
        "peak MiB",
    ];
    let mut rows = vec![heading.map(String::from).to_vec()];
    for m in measured {
        rows.push(vec![
            describe(&m.case),
            quantity(m.facts.parameters as f64),
            quantity(m.facts.macs as f64),
            work(&m.case).to_string(),
            m.case.batch.to_string(),
            format!("{:.1}", m.median_ms),
            format!("{:.1}", m.min_ms),
            format!("{:.1}", m.images_per_second),
            format!("{:.1}", m.gflops),
            format!("{:.0} %", 100.0 * m.gflops / peak),
            format!("{:.1} %", 100.0 * m.input_wait),
            m.peak_mib.map_or("unknown".into(), |p| format!("{p:.0}")),
        ]);
    }
    let facts = measured.first().map(|m| &m.facts);
    let kernels = facts.map_or("", |f| f.kernels.as_str());
    let threads = facts.map_or(0, |f| f.threads);
    let rounds = measured.first().map_or(0, |m| m.rounds);
    format!(
        "{}\n {threads} threads, {kernels} kernels, medians of {rounds}. A large matrix product \
         runs at {peak:.1} GFLOP/s here.\n A training step counts as three forward passes of 2 \
         operations per MAC; Winograd's convolutions take fewer.\n",
        table(&rows)
    )
}
