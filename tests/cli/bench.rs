//! `frbench bench` as a user and as an external driver meet it.

use assert_cmd::Command;
use frbench::engine::DeviceChoice;
use serde_json::Value;

const TINY: &str = "mobilefacenet:width=0.125,size=32";

fn bench(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("frbench").unwrap();
    command.arg("bench").args(args).env_clear();
    command
}

fn stdout(mut command: Command) -> String {
    let out = command.assert().success().get_output().stdout.clone();
    String::from_utf8(out).unwrap()
}

fn tiny(extra: &[&str]) -> Command {
    let mut command = bench(&["--backbone", TINY, "--batch", "4", "--classes", "7"]);
    command.args(["--embedding", "16", "--rounds", "3", "--threads", "1"]);
    command.args(extra);
    command
}

#[test]
fn a_tiny_network_is_measured_at_all_its_work() {
    let out: Value = serde_json::from_str(&stdout(tiny(&["--json"]))).unwrap();
    let peak = out["gemm_gflops"].as_f64().unwrap();
    assert!(peak > 0.0);
    assert_eq!(out["environment"]["threads"], 1);
    let rows = out["measured"].as_array().unwrap();
    let kinds: Vec<_> = rows.iter().map(|r| (&r["work"], &r["batch"])).collect();
    let want = [("train", 4), ("embed", 4), ("embed", 1)];
    assert_eq!(kinds.len(), 3);
    for ((work, batch), (want_work, want_batch)) in kinds.into_iter().zip(want) {
        assert_eq!(
            (work.as_str(), batch.as_u64()),
            (Some(want_work), Some(want_batch))
        );
    }
    for row in rows {
        assert_eq!(row["backbone"]["name"], "mobilefacenet");
        assert_eq!(row["backbone"]["params"]["width"], 0.125);
        assert_eq!((&row["size"], &row["threads"]), (&32.into(), &1.into()));
        assert_eq!(row["kernels"], out["environment"]["kernels"]);
        let number = |name: &str| {
            let value = row[name].as_f64();
            value
                .filter(|v| *v > 0.0)
                .unwrap_or_else(|| panic!("{name}: {row}"))
        };
        assert!(number("min_ms") <= number("median_ms"));
        let rate = number("batch") * 1e3 / number("median_ms");
        assert!((rate / number("images_per_second") - 1.0).abs() < 1e-9);
        let passes = if row["work"] == "train" { 3.0 } else { 1.0 };
        let gflops = 2e-9 * number("macs") * passes * rate;
        assert!((gflops / number("gflops") - 1.0).abs() < 1e-9);
        assert!((number("of_gemm") * peak / gflops - 1.0).abs() < 1e-9);
        assert!((0.0..=1.0).contains(&row["input_wait"].as_f64().unwrap()));
        if cfg!(target_os = "linux") {
            // More than nothing, less than a machine.
            assert!((1.0..4096.0).contains(&number("peak_mib")));
        }
    }
}

#[test]
fn the_table_names_the_network_and_its_work() {
    let out = stdout(tiny(&[]));
    let lines: Vec<&str> = out.lines().collect();
    assert!(
        lines[0].contains("images/s") && lines[0].contains("of GEMM"),
        "{out}"
    );
    for (line, work) in lines[1..4].iter().zip(["train", "embed", "embed"]) {
        assert!(line.contains("mobilefacenet width=0.125 @32"), "{out}");
        assert!(line.contains(work), "{out}");
    }
    assert!(out.contains("1 threads"), "{out}");
}

#[test]
fn a_driver_alternates_single_iterations() {
    let case = r#"case {"work":"train","backbone":{"name":"iresnet18","embedding":16,"params":{"width":0.125}},"size":32,"batch":4}"#;
    let mut command = bench(&["--serve"]);
    command.write_stdin(format!("{case}\nstep\nstep\nrss\nquit\n"));
    let out = stdout(command);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 5, "{out}");
    let facts: Value = serde_json::from_str(lines[0]).unwrap();
    assert!(facts["parameters"].as_u64() > Some(0));
    for line in &lines[1..3] {
        assert!(line.parse::<f64>().unwrap() > 0.0, "{out}");
    }
    assert_eq!(lines[4], "bye");
}

/// Pages that a process has had to ask for so far.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn page_faults(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // After the name, which is in brackets: state, five numbers, flags, minor faults.
    let (_, numbers) = stat.rsplit_once(')').unwrap();
    let faults = numbers.split_whitespace().nth(7).unwrap();
    faults.parse().unwrap()
}

#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn a_step_asks_the_system_for_no_memory_once_it_has_what_it_needs() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    let mut child = Command::new(env!("CARGO_BIN_EXE_frbench"))
        .args(["bench", "--serve", "--threads", "2"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ask = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut say = |what: &str| {
        writeln!(ask, "{what}").unwrap();
        lines.next().unwrap().unwrap()
    };
    // Class weights and logits are large enough for glibc to give them back to the system.
    say(
        r#"case {"work":"train","backbone":{"name":"mobilefacenet","embedding":256,"params":{"width":0.25}},"size":32,"batch":64,"classes":800}"#,
    );
    (0..5).for_each(|_| assert!(say("step").parse::<f64>().unwrap() > 0.0));
    // Each of the threads that may do a step has memory of its own to begin with.
    let mut five_steps = || {
        let before = page_faults(child.id());
        (0..5).for_each(|_| drop(say("step")));
        page_faults(child.id()) - before
    };
    let faults = (0..3).map(|_| five_steps()).min().unwrap();
    assert_eq!(say("quit"), "bye");
    assert!(child.wait().unwrap().success());
    assert!(faults < 250, "{faults} page faults in five steps");
}

#[test]
fn mistakes_are_found_before_anything_is_measured() {
    for (args, hint) in [
        (
            &["--backbone", "iresnet81"][..],
            "did you mean `iresnet18`?",
        ),
        (
            &["--backbone", "iresnet18:widht=1"],
            "did you mean `width`?",
        ),
        (&["--backbone", "mobilenetv2"], "`stem_stride`"),
        (
            &["--backbone", "iresnet18", "--size", "50"],
            "a multiple of 16",
        ),
        (&["--backbone", "iresnet18:width"], "key=value"),
        (&["--batch", "1"], "2..=4096"),
        (&["--rounds", "0"], "1..=1000"),
        (&["--threads", "0"], "--threads"),
    ] {
        let out = bench(args).assert().code(2).get_output().clone();
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(text.contains(hint), "{text}");
        assert!(out.stdout.is_empty());
    }
}

#[test]
fn what_only_gpus_do_is_refused_on_a_cpu() {
    for (args, hint) in [
        (&["--precision", "f32,bf16"][..], "only GPUs do bf16"),
        (&["--precision", "f16"], "want f32, tf32 or bf16"),
        (&["--check"], "say `--device cuda:0`, too"),
        (&["--check", "--peer", "torch"], "cannot be used with"),
        (&["--device", "gpu"], "want auto, cpu, cuda or cuda:N"),
        (&["--device", "cuda:99"], "--device cpu"),
        (&["--batch", "4,1"], "2..=4096"),
        (&["--peer", "jax"], "torch"),
    ] {
        // A build for GPUs may find one, or a driver that says otherwise.
        if DeviceChoice::of_build() != DeviceChoice::Cpu && args.contains(&"cuda:99") {
            continue;
        }
        let out = bench(args).assert().code(2).get_output().clone();
        let text = String::from_utf8(out.stderr).unwrap();
        assert!(text.contains(hint), "{text}");
    }
}

#[test]
fn without_a_torch_it_says_which_python_has_none() {
    let mut command = tiny(&["--peer", "torch"]);
    let out = command.env("PYTHON", "no-such-python").assert().code(2);
    let text = String::from_utf8(out.get_output().stderr.clone()).unwrap();
    assert!(text.contains("`no-such-python` is none"), "{text}");
    assert!(text.contains("in the variable PYTHON"), "{text}");
}

#[cfg(unix)]
#[test]
fn a_peer_is_measured_in_turns_and_one_that_fails_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let python = crate::common::peer::python(dir.path(), TINY);
    let run = |extra: &[&str]| {
        let mut command = tiny(&["--peer", "torch"]);
        command.args(extra).env("PYTHON", &python);
        stdout(command)
    };
    let out: Value = serde_json::from_str(&run(&["--json"])).unwrap();
    assert_eq!(out["peer"]["torch"], "0.0 of a test");
    for row in out["measured"].as_array().unwrap() {
        crate::common::peer::check(row);
    }
    let text = run(&[]);
    let table = text.find("speed / eager").unwrap();
    assert!(text[table..].contains("failed"), "{text}");
    assert!(text[table..].contains("CUDA out of memory"), "{text}");
}
