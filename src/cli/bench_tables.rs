//! The tables of `frbench bench`.

use super::text::{quantity, table};
use crate::Result;
use crate::bench::peer::Torch;
use crate::bench::{Case, Measured, Peer, Work, is_out_of_memory};
use crate::engine::device::{OpError, Rates};
use crate::job::Precision;
use serde_json::{Value, json};

pub fn describe(case: &Case) -> String {
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

fn heading<const N: usize>(names: [&str; N]) -> Vec<Vec<String>> {
    vec![names.map(String::from).to_vec()]
}

/// The operations of one iteration, longest first.
pub fn of_operations(measured: &Measured) -> String {
    let mut all: Vec<_> = measured.operations.iter().collect();
    all.sort_by(|a, b| b.1.ms.total_cmp(&a.1.ms));
    let total: f64 = all.iter().map(|(_, spent)| spent.ms).sum();
    let mut rows = heading(["operation", "calls", "ms", "share"]);
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

fn mib(peak: Option<f64>) -> String {
    peak.map_or("unknown".into(), |p| format!("{p:.0}"))
}

pub fn of_cpu(measured: &[Measured], peak: f64) -> String {
    let mut rows = heading([
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
    ]);
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
            mib(m.peak_mib),
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

/// Every operation's error in every precision that it knows.
pub fn of_check(checked: &[OpError], gpu: &str) -> String {
    let precisions = [Precision::F32, Precision::Tf32, Precision::Bf16];
    let mut rows = heading(["operation", "f32", "tf32", "bf16"]);
    let mut failures = String::new();
    let mut ops: Vec<&str> = Vec::new();
    for row in checked {
        if !ops.contains(&row.op.as_str()) {
            ops.push(&row.op);
        }
        if let Some(why) = &row.failed {
            failures += &format!("\n {}, {}: {why}", row.op, row.precision.name());
        }
    }
    for op in ops {
        let cell = |precision| {
            let mut all = checked.iter();
            let row = all.find(|row| row.op == op && row.precision == precision);
            match row {
                None => String::new(),
                Some(row) if row.failed.is_some() => "failed".into(),
                Some(row) if row.holds() => format!("{:.1e}", row.error),
                Some(row) => format!("{:.1e} (wrong)", row.error),
            }
        };
        let cells = precisions.map(cell);
        rows.push([vec![op.to_string()], cells.to_vec()].concat());
    }
    let bound = |precision| {
        let row = checked.iter().find(|row| row.precision == precision);
        row.map_or(0.0, |row| row.bound)
    };
    let [full, tf32, low] = precisions.map(bound);
    format!(
        "{}\n {gpu}: distances from the same in 64 bits, relative in the L2 norm. Bounds: f32 \
         {full:.0e}, tf32 {tf32:.0e}, bf16 {low:.0e} (f32's for sums that stay in 32 bits).{failures}\n\n",
        table(&rows)
    )
}

/// What the GPU reaches.
pub fn of_rates(rates: &Rates) -> String {
    let copy = rates.copy_gb_per_s;
    let mut rows = heading(["measured", "rate", "of copy"]);
    let bytes = |gb: f64| format!("{}B/s", quantity(gb * 1e9));
    rows.push(vec!["copy, read and written".into(), bytes(copy)]);
    for (name, rate) in &rates.kernels_gb_per_s {
        let share = format!("{:.0} %", 100.0 * rate / copy);
        rows.push(vec![name.clone(), bytes(*rate), share]);
    }
    for (precision, tflops) in &rates.matmul_tflops {
        let rate = format!("{}FLOP/s", quantity(tflops * 1e12));
        rows.push(vec![format!("matrix product, {precision}"), rate]);
    }
    table(&rows) + "\n"
}

fn of_matmul(m: &Measured, rates: &Rates) -> f64 {
    let rate = rates.matmul_tflops.get(m.case.precision.name());
    m.gflops * 1e-3 / rate.copied().unwrap_or(f64::NAN)
}

/// A case as JSON: what was measured, or why nothing was.
pub fn row_of_gpu(case: &Case, result: &Result<Measured>, rates: &Rates) -> Value {
    let mut row = match result {
        Ok(m) => json!(m),
        Err(_) => json!(case),
    };
    row["precision"] = json!(case.precision);
    match result {
        Ok(m) => row["of_matmul"] = json!(of_matmul(m, rates)),
        Err(e) => {
            row["error"] = json!(e.to_string());
            row["out_of_memory"] = json!(is_out_of_memory(e));
        }
    }
    row
}

/// A case in one line.
pub fn line(case: &Case, result: &Result<Measured>) -> String {
    let told = match result {
        Ok(m) => format!("{:.1} images/s", m.images_per_second),
        Err(e) => e.to_string(),
    };
    let peers = result.iter().flat_map(|m| &m.peers);
    let peers = peers.map(|(name, peer)| match peer {
        Peer::Measured {
            images_per_second, ..
        } => format!(", {name} {images_per_second:.1}"),
        Peer::Failed { error } => format!(", {name}: {error}"),
    });
    let name = name(case);
    format!("{name}: {told}{}", peers.collect::<String>())
}

fn name(case: &Case) -> String {
    let precision = case.precision.name();
    let (network, work) = (describe(case), work(case));
    format!("{network}, {work}, {precision}, batch {}", case.batch)
}

/// What a case is, for tables of several precisions.
fn cells(case: &Case) -> Vec<String> {
    let precision = case.precision.name().into();
    let batch = case.batch.to_string();
    vec![describe(case), work(case).into(), precision, batch]
}

pub fn of_gpu(cases: &[Case], results: &[Result<Measured>], rates: &Rates) -> String {
    let mut rows = heading([
        "network",
        "work",
        "arithmetic",
        "batch",
        "ms",
        "min",
        "images/s",
        "FLOP/s",
        "of matmul",
        "input wait",
        "GPU MiB",
        "recorded",
    ]);
    let mut failures = String::new();
    for (case, result) in cases.iter().zip(results) {
        let more = match result {
            Ok(m) => vec![
                format!("{:.2}", m.median_ms),
                format!("{:.2}", m.min_ms),
                format!("{:.1}", m.images_per_second),
                quantity(m.gflops * 1e9),
                format!("{:.1} %", 100.0 * of_matmul(m, rates)),
                format!("{:.1} %", 100.0 * m.input_wait),
                mib(m.peak_mib),
                if m.facts.recorded { "yes" } else { "no" }.into(),
            ],
            Err(e) if is_out_of_memory(e) => vec!["no memory".into()],
            Err(e) => {
                failures += &format!(" {}: {e}\n", name(case));
                vec!["failed".into()]
            }
        };
        rows.push([cells(case), more].concat());
    }
    let measured = results.iter().flatten().next();
    let (rounds, kernels) = measured.map_or((0, ""), |m| (m.rounds, m.facts.kernels.as_str()));
    format!(
        "{}\n {kernels}; medians of {rounds} times between events of the GPU, which the host's \
         part of an iteration is in.\n A training step counts as three forward passes of 2 \
         operations per MAC, beside the matrix product of its arithmetic. MiB are the most \
         that\n the GPU's memory pool held for the process: what was in use, kept for later, \
         and workspaces. What is recorded is launched as one, and not kernel by kernel.\n{failures}",
        table(&rows)
    )
}

/// Everybody else; nothing where there is nobody.
pub fn of_peers(measured: &[Measured], torch: Option<&Torch>) -> String {
    let Some(torch) = torch else {
        return String::new();
    };
    let mut rows = heading(["network", "work", "arithmetic", "batch", "frbench"]);
    let mut notes = String::new();
    let names = measured.first().map(|m| m.peers.keys());
    for name in names.into_iter().flatten() {
        let columns = ["", "speed / ", "memory / "].map(|what| format!("{what}{name}"));
        rows[0].extend(columns);
    }
    for m in measured {
        let mut row = cells(&m.case);
        row.push(format!("{:.1}", m.images_per_second));
        for (name, peer) in &m.peers {
            match peer {
                Peer::Measured {
                    images_per_second,
                    speed,
                    memory,
                    in_turns,
                    ..
                } => {
                    let alone = if *in_turns { "" } else { " *" };
                    row.push(format!("{images_per_second:.1}"));
                    row.push(format!("{speed:.2}x{alone}"));
                    row.push(memory.map_or("unknown".into(), |m| format!("{m:.2}x")));
                }
                Peer::Failed { error } => {
                    notes += &format!(" {name}, {}: {error}\n", self::name(&m.case));
                    row.extend(["failed", "", ""].map(String::from));
                }
            }
        }
        rows.push(row);
    }
    let version = torch.facts["torch"].as_str().unwrap_or("");
    format!(
        "\n{}\n Images/s of frbench and of PyTorch {version}, eager and compiled, channels last; \
         single iterations in turns (* where memory\n is short, one after the other). Speed and \
         memory are frbench's over theirs.\n{notes}",
        table(&rows)
    )
}
