//! A folder with a suite, a script and what nights leave there.

use frbench::data::bin::{BinWriter, Protocol};
use frbench::data::decode::encode_png;
use frbench::data::image::Image;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SUITE: &str = r#"
schema = 1
name = "@name"
title = "Two rows"
analysis = "Nothing follows from it."

[[baseline]]
id = "a"
label = "A"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 16.0, m = 0.3 }
network = "network"
training = "training"

[[method]]
id = "b"
label = "B"
method = { name = "margin-softmax" }
head = { name = "cosface", s = 16.0, m = 0.3 }
network = "network"
training = "training"

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.nightly]
train-data = "synth-train-10x2-v1"
seeds = [1, 2, 3]
entries = ["a", "b"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold" }]

[profile.nightly.network.network]
backbone = { name = "mobilefacenet", width = 0.25 }
embedding = 32
input = { size = 32, color = "rgb", mean = 0.5, std = 0.5 }

[profile.nightly.training.training]
steps = 2
batch = 16
lr = 0.05
decay = { kind = "constant" }
momentum = 0.9
weight-decay = 5e-4
flip = true

[[claim]]
id = "b-beats-a"
text = "B is better."
better = "b"
than = "a"
on = "synth-lfw"
metric = "accuracy"

[[gate]]
id = "b-holds"
entry = "b"
on = "synth-lfw"
metric = "accuracy"
tolerance = 0.002
why = "A test."
"#;

const OWN: &str = r#"
name = "own"
title = "A set of the user"
format = "pairs"
files = ["pairs.bin"]
optional = []
obtain = "made by a test"
licence = "none"
citation = "none"
"#;

/// Seeds of its baselines.
pub const SEEDS: u64 = 20;

pub struct Place {
    pub dir: tempfile::TempDir,
    script: Value,
    data: PathBuf,
}

/// How a command ended.
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    /// With a suite `one`, not recorded.
    pub fn new() -> Place {
        let place = Place {
            dir: tempfile::tempdir().unwrap(),
            script: json!({ "means": { "a": 0.75, "b": 0.8 }, "sd": 0.01, "code": "first" }),
            data: data(),
        };
        place.add("one");
        place.script();
        place
    }

    /// With the baseline of `one`.
    pub fn recorded() -> Place {
        let place = Place::new();
        place.record("1..20");
        place
    }

    /// Records the baseline of `one`.
    pub fn record(&self, seeds: &str) {
        let ended = self.run(&["baseline", "record", "one.toml", "--seeds", seeds]);
        assert_eq!(ended.code, 0, "{}", ended.err);
    }

    /// The suite `one` is scored on a set of the user, too, whose folder this is.
    pub fn own_set(&mut self) -> PathBuf {
        self.data = self.path("data");
        let folder = self.data.join("own");
        std::fs::create_dir_all(&folder).unwrap();
        let mut pack = BinWriter::create(folder.join("pairs.bin"), Protocol::Python3).unwrap();
        let face = |i: u8| {
            let image = Image::new(112, 112, [i, 100, 200].repeat(112 * 112)).unwrap();
            encode_png(&image).unwrap()
        };
        for i in 0..20 {
            pack.push(&face(i), &face(i + 1), i % 2 == 0).unwrap();
        }
        pack.finish().unwrap();
        let sets = self.path("suites/datasets");
        std::fs::create_dir_all(&sets).unwrap();
        std::fs::write(sets.join("own.toml"), OWN).unwrap();
        self.edit(
            "evaluate = [",
            "evaluate = [{ data = \"own\", protocol = \"ten-fold\" }, ",
        );
        folder
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn add(&self, name: &str) {
        let text = SUITE.replace("@name", name);
        std::fs::write(self.path(&format!("{name}.toml")), text).unwrap();
    }

    /// The suite `one` with one thing changed.
    pub fn edit(&self, from: &str, to: &str) {
        let path = self.path("one.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    /// The line of the suite `one` that begins with `text`, counted from 1.
    pub fn line(&self, text: &str) -> usize {
        let suite = std::fs::read_to_string(self.path("one.toml")).unwrap();
        let line = suite.lines().position(|l| l.starts_with(text));
        line.expect("such a line") + 1
    }

    fn script(&self) {
        std::fs::write(self.path("script.json"), self.script.to_string()).unwrap();
    }

    /// The script says something else.
    pub fn say(&mut self, part: &str, value: Value) {
        self.script[part] = value;
        self.script();
    }

    /// The mean of a row is another one, by other code.
    pub fn mean(&mut self, row: &str, mean: f64, code: &str) {
        self.script["means"][row] = json!(mean);
        self.say("code", json!(code));
    }

    /// The folder of runs is another one: a fresh machine.
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.path("runs")).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut all = vec!["frbench"];
        all.extend(args);
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "program"])
            .current_dir(self.dir.path())
            .env("FRBENCH_SCRIPTED", serde_json::to_string(&all).unwrap())
            .env("FRBENCH_SCRIPT", self.path("script.json"))
            .env("FRBENCH_DATA", &self.data)
            .env_remove("GITHUB_ACTIONS")
            .env_remove("GITHUB_STEP_SUMMARY")
            .stdin(Stdio::null());
        command
    }

    /// The same on a disk where no file has more than so many blocks of 512 bytes.
    #[cfg(unix)]
    pub fn limited(&self, blocks: u32, args: &[&str]) -> Command {
        let inner = self.command(args);
        let limit = "ulimit -f \"$1\"; trap '' XFSZ; shift; exec \"$@\"";
        let mut outer = Command::new("sh");
        outer
            .args(["-c", limit, "sh", &blocks.to_string()])
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }

    /// Begins a night, and waits until the job `label` is under way.
    pub fn until(&self, label: &str, args: &[&str]) -> std::process::Child {
        let wanted = format!("\"label\": \"{label}\"");
        let begun = || {
            let jobs = std::fs::read_dir(self.path("runs"));
            let specs = jobs.into_iter().flatten().flatten();
            let texts = specs.map(|job| std::fs::read_to_string(job.path().join("spec.json")));
            texts
                .flatten()
                .filter(|text| text.contains(&wanted))
                .count()
        };
        // Those of other code are done.
        let before = begun();
        let mut night = self.command(args);
        let mut night = night
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        while begun() == before {
            assert!(night.try_wait().unwrap().is_none(), "ended before {label}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        night
    }

    /// How many jobs are done.
    pub fn done(&self) -> u64 {
        let jobs = std::fs::read_dir(self.path("runs"));
        let jobs = jobs.into_iter().flatten().flatten();
        jobs.filter(|job| job.path().join("done").exists()).count() as u64
    }

    /// Whether the folder of nights has a file whose name ends so.
    pub fn has_told(&self, end: &str) -> bool {
        let files = std::fs::read_dir(self.path("nightly"));
        let files = files.into_iter().flatten().flatten();
        let mut names = files.map(|f| f.file_name().to_string_lossy().into_owned());
        names.any(|name| name.ends_with(end))
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        ended(&mut self.command(args))
    }

    /// `frbench nightly one.toml`, and more.
    pub fn night(&self, more: &[&str]) -> Ended {
        let mut args = vec!["nightly", "one.toml"];
        args.extend(more);
        self.run(&args)
    }

    /// What the last night has found.
    pub fn found(&self) -> Value {
        json_of(&self.path("nightly/night.json"))
    }

    /// Of the last night the finding of a cell of the first suite.
    pub fn cell(&self, row: &str) -> Value {
        let cells = self.found()["suites"][0]["cells"]
            .as_array()
            .unwrap()
            .clone();
        let found = cells.into_iter().find(|c| c["row"] == row);
        found.unwrap_or_else(|| panic!("no cell of {row}: {}", self.found()))
    }
}

pub fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Rendered once for all tests.
fn data() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nightly-data");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

pub fn ended(command: &mut Command) -> Ended {
    let out = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&out.stdout);
    // What runs tests says that it runs one.
    let said = said.split_once("running 1 test\n").map_or("", |s| s.1);
    Ended {
        code: out.status.code().unwrap_or(-1),
        out: said.to_string(),
        err: text(&out.stderr),
    }
}
