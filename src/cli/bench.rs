//! `frbench bench`

use super::bench_tables as tables;
use super::context::set_threads;
use super::exit::ExitStatus;
use super::output::{print, print_json};
use super::progress::Progress;
use crate::bench::case::Named;
use crate::bench::peer::Torch;
use crate::bench::{self, Case, Contender, Measured, Work, peak};
use crate::build::BUILD;
use crate::engine::{Device, DeviceChoice};
use crate::job::{BackboneSpec, Precision};
use crate::run::environment;
use crate::{Error, Result};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};
use serde_json::json;
use std::process::Command;

#[derive(Args, Debug)]
pub struct BenchArgs {
    /// A network to measure, such as `mobilefacenet:width=0.5,size=64`; may be repeated
    /// [default: iResNet-18 and -50, MobileFaceNet, MobileNetV2, and a small MobileFaceNet; on a
    /// GPU iResNet-100 instead of the small one]
    #[arg(long, value_name = "NAME[:KEY=VALUE,...]")]
    pub backbone: Vec<Named>,
    /// Images per training step and per embedding pass (on the CPU measured one by one, too)
    /// [default: 32, or 128,512,1024 on a GPU]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = count(2, 4096))]
    pub batch: Vec<usize>,
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
    /// Threads [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = super::context::threads)]
    pub threads: Option<std::num::NonZeroUsize>,
    /// Where to compute: cpu, cuda or cuda:N (a GPU, counted from 0), or auto, the first GPU if
    /// there is one. A GPU's operations and rates are measured first
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub device: DeviceChoice,
    /// Arithmetic: f32, tf32, bf16 [default: f32, or all of them on a GPU]
    #[arg(long, value_name = "PRECISION,...", value_delimiter = ',', value_parser = precision)]
    pub precision: Vec<Precision>,
    /// Let a GPU add in any order, which is faster and does not give the same bits every time
    #[arg(long)]
    pub nondeterministic: bool,
    /// Only hold every operation of a GPU against the same in 64 bits
    #[arg(long, conflicts_with_all = ["backbone", "peer"])]
    pub check: bool,
    /// Seed of the numbers that operations are checked with
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Measure PyTorch, too, in turns: eager and compiled, channels last. Its Python is `python3`
    /// or what the variable PYTHON names
    #[arg(long)]
    pub peer: Option<PeerName>,
    /// Show the time of every operation, too (on the CPU)
    #[arg(long)]
    pub operations: bool,
    /// Print the measurements as JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Answer commands on standard input; see `frbench::bench::serve`
    #[arg(long, hide = true, conflicts_with_all = ["json", "backbone", "check", "peer"])]
    pub serve: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PeerName {
    Torch,
}

/// A precision as suites write it.
fn precision(text: &str) -> Result<Precision, String> {
    let all = [Precision::F32, Precision::Tf32, Precision::Bf16];
    let named = all.into_iter().find(|p| p.name() == text);
    named.ok_or_else(|| "want f32, tf32 or bf16".into())
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
const GPU_NETWORKS: [&str; 5] = [
    "iresnet18",
    "iresnet50",
    "iresnet100",
    "mobilefacenet",
    "mobilenetv2:stem_stride=1",
];

const BATCHES: [usize; 1] = [32];
const GPU_BATCHES: [usize; 3] = [128, 512, 1024];

const PRECISIONS: [Precision; 1] = [Precision::F32];
const GPU_PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Tf32, Precision::Bf16];

/// Matrix products that the machine's peak is the median of.
const PRODUCTS: usize = 15;

pub fn bench(args: BenchArgs) -> Result<ExitStatus> {
    set_threads(args.threads)?;
    let (device, why) = Device::open(args.device)?;
    if args.nondeterministic {
        device.allow_nondeterministic();
    }
    if args.serve {
        bench::serve(std::io::stdin().lock(), std::io::stdout().lock(), &device)?;
        return Ok(ExitStatus::Success);
    }
    let progress = Progress::new(args.json);
    if let Some(why) = why {
        progress.line(&why);
    }
    let cases = cases(&args, &device)?;
    let torch = args.peer.map(|PeerName::Torch| Torch::find(&device));
    let torch = torch.transpose()?;
    match device.is_gpu() {
        false => on_cpu(&args, &cases, torch.as_ref(), &progress),
        true => on_gpu(&args, &cases, torch.as_ref(), &progress, device),
    }
}

fn on_cpu(
    args: &BenchArgs,
    cases: &[Case],
    torch: Option<&Torch>,
    progress: &Progress,
) -> Result<ExitStatus> {
    let peak = peak::gemm_gflops(PRODUCTS)?;
    let mut measured = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        advance(progress, cases, at);
        measured.push(measure(args, "cpu", case, torch)?);
    }
    progress.clear();
    if args.json {
        let of_gemm = |m: &Measured| {
            let mut row = json!(m);
            row["of_gemm"] = json!(m.gflops / peak);
            row
        };
        let mut out = json!({
            "environment": environment::capture(&BUILD, &Device::CPU),
            "gemm_gflops": peak,
            "measured": measured.iter().map(of_gemm).collect::<Vec<_>>(),
        });
        if let Some(torch) = torch {
            out["peer"] = torch.facts.clone();
        }
        print_json(&out)?;
    } else {
        print(&tables::of_cpu(&measured, peak))?;
        print(&tables::of_peers(&measured, torch))?;
        if args.operations {
            measured
                .iter()
                .try_for_each(|m| print(&tables::of_operations(m)))?;
        }
    }
    Ok(ExitStatus::Success)
}

fn on_gpu(
    args: &BenchArgs,
    cases: &[Case],
    torch: Option<&Torch>,
    progress: &Progress,
    device: Device,
) -> Result<ExitStatus> {
    let mut out = json!({ "environment": environment::capture(&BUILD, &device) });
    let checked = device.check(args.seed);
    out["check"] = json!(checked);
    let wrong = checked.iter().filter(|row| !row.holds()).count();
    if !args.json {
        print(&tables::of_check(&checked, device.model()))?;
    }
    let mut broken = 0;
    let rates = match args.check {
        true => None,
        false => device.rates(args.rounds)?,
    };
    if let Some(rates) = rates {
        out["rates"] = json!(rates);
        if !args.json {
            print(&tables::of_rates(&rates))?;
        }
        // Its memory is for those who are measured.
        let name = device.name();
        drop(device);
        let mut results = Vec::new();
        for (at, case) in cases.iter().enumerate() {
            advance(progress, cases, at);
            let result = measure(args, &name, case, torch);
            // One by one, too: what is cut off has not been for nothing.
            progress.line(&tables::line(case, &result));
            results.push(result);
        }
        progress.clear();
        let rows = cases.iter().zip(&results);
        let rows = rows.map(|(case, result)| tables::row_of_gpu(case, result, &rates));
        out["measured"] = rows.collect();
        let failed = results.iter().filter_map(|r| r.as_ref().err());
        broken = failed.filter(|e| !bench::is_out_of_memory(e)).count();
        if let Some(torch) = torch {
            out["peer"] = torch.facts.clone();
        }
        if !args.json {
            print(&tables::of_gpu(cases, &results, &rates))?;
            let measured: Vec<_> = results.into_iter().flatten().collect();
            print(&tables::of_peers(&measured, torch))?;
        }
    }
    if args.json {
        print_json(&out)?;
    }
    match (wrong, broken) {
        (0, 0) => Ok(ExitStatus::Success),
        _ => Err(Error::Compute(format!(
            "{wrong} operations are less exact than they should be, {broken} cases failed"
        ))),
    }
}

fn advance(progress: &Progress, cases: &[Case], at: usize) {
    let (name, all) = (tables::describe(&cases[at]), cases.len() as u64);
    progress.advance(&name, at as u64, all, "measured", "");
}

fn measure(args: &BenchArgs, device: &str, case: &Case, torch: Option<&Torch>) -> Result<Measured> {
    let ours = Contender {
        name: "frbench",
        start: Box::new(|| server(device, args.nondeterministic)),
    };
    let peers = torch.map_or(Vec::new(), Torch::contenders);
    bench::measure(case, args.rounds, &ours, &peers)
}

/// What was asked for, or what is usual on this device.
fn or<T: Clone>(asked: &[T], cpu: &[T], gpu: &[T], device: &Device) -> Vec<T> {
    let usual = if device.is_gpu() { gpu } else { cpu };
    let chosen = if asked.is_empty() { usual } else { asked };
    chosen.to_vec()
}

/// Every case, checked before the first is measured.
fn cases(args: &BenchArgs, device: &Device) -> Result<Vec<Case>> {
    let on_cpu = !device.is_gpu();
    let precisions = or(&args.precision, &PRECISIONS, &GPU_PRECISIONS, device);
    precisions.iter().try_for_each(|p| device.takes(*p))?;
    if args.check && on_cpu {
        return Err(Error::Usage(
            "`--check` is of a GPU's operations; say `--device cuda:0`, too".into(),
        ));
    }
    if args.operations && !on_cpu {
        return Err(Error::Usage(
            "`--operations` is of the CPU; a GPU's are not timed one by one".into(),
        ));
    }
    let mut networks = args.backbone.clone();
    if networks.is_empty() {
        let usual = or(&[], &NETWORKS, &GPU_NETWORKS, device);
        let parsed = usual.iter().map(|n| n.parse());
        networks = parsed.collect::<Result<_, _>>().map_err(Error::Bug)?;
    }
    let batches = or(&args.batch, &BATCHES, &GPU_BATCHES, device);
    let mut work = Vec::new();
    for batch in batches {
        work.extend([(Work::Train, batch), (Work::Embed, batch)]);
    }
    if on_cpu {
        work.push((Work::Embed, 1));
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
        for &precision in &precisions {
            for &(work, batch) in &work {
                let case = Case {
                    work,
                    backbone: backbone.clone(),
                    size,
                    batch,
                    classes: args.classes,
                    precision,
                };
                case.check()?;
                cases.push(case);
            }
        }
    }
    Ok(cases)
}

/// This program, answering commands.
fn server(device: &str, nondeterministic: bool) -> Result<Command> {
    let program = std::env::current_exe().map_err(|e| Error::io("frbench", e))?;
    let mut command = Command::new(program);
    let threads = rayon::current_num_threads().to_string();
    command.args([
        "bench",
        "--serve",
        "--threads",
        &threads,
        "--device",
        device,
    ]);
    if nondeterministic {
        command.arg("--nondeterministic");
    }
    Ok(command)
}
