//! The blocks: what each says, from which values.

use super::sources::Sources;

type Render = fn(&mut Sources) -> String;

pub const BLOCKS: &[(&str, Render)] = &[
    ("demo-time", demo_time),
    ("example", example),
    ("speed", speed),
    ("scale", scale),
    ("coverage", coverage),
    ("verdicts", verdicts),
    ("nights", nights),
    ("cues", cues),
    ("networks-on-twins", networks_on_twins),
    ("landmarks", landmarks),
];

/// A rate in per cent.
fn percent(rate: f64, decimals: usize) -> String {
    format!("{:.decimals$}", 100.0 * rate)
}

/// A difference of rates in points, with its sign.
fn signed(rate: f64) -> String {
    match percent(rate.abs(), 2) {
        zero if zero == "0.00" => zero,
        size if rate < 0.0 => format!("−{size}"),
        size => format!("+{size}"),
    }
}

/// `93.6–97.3`.
fn range(values: &[f64]) -> String {
    let (low, high) = ends(values);
    format!("{low:.1}–{high:.1}")
}

fn ends(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (low, high)
}

fn numbers(texts: Vec<String>) -> Vec<f64> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

/// `2,500`.
fn thousands(n: &str) -> String {
    let at = n.len().saturating_sub(3);
    match at {
        0 => n.to_string(),
        _ => format!("{},{}", thousands(&n[..at]), &n[at..]),
    }
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

fn demo_time(s: &mut Sources) -> String {
    let of = [("suite", "coupleface"), ("profile", "demo")];
    let mut get = |column| s.one("times.csv", &of, column);
    let seconds: f64 = get("seconds").parse().unwrap();
    let beside = match get("beside").as_str() {
        "" => String::new(),
        what => format!(" beside {what}"),
    };
    format!(
        "It took {:.0} minutes on {}{beside} ({}, commit {}).",
        seconds / 60.0,
        get("machine"),
        get("date"),
        get("commit")
    )
}

fn example(s: &mut Sources) -> String {
    let lfw = "synth-lfw-1200-v1/ten-fold/accuracy";
    let alone = percent(s.mean("student", lfw).0, 1);
    let distilled = percent(s.mean("fcd", lfw).0, 1);
    let gap = s.cell("synth-cfp-fp accuracy", "FCD", "Gap closed");
    let (share, interval) = gap.split_once(" [").unwrap();
    let interval = interval.trim_end_matches(']');
    let verified = "coupleface-beats-fcd";
    let found = "coupleface-beats-fcd-in-identification";
    format!(
        "Distilling features lifts the small network from {alone} to {distilled} % on synth-lfw. On \
         synth-cfp-fp it closes {share} of the distance to the teacher ({interval}). Whether relations \
         add to that is {} in verification on synth-cfp-fp: they are {}. In identification it is {}: \
         they are {}.",
        s.claim(verified, "verdict"),
        against_fcd(s, verified),
        s.claim(found, "verdict"),
        against_fcd(s, found),
    )
}

/// `2.43 points below FCD (95 % interval ... over 3 seeds and 517 people)`.
fn against_fcd(s: &mut Sources, claim: &str) -> String {
    let mut number = |column| s.claim(claim, column).parse::<f64>().unwrap();
    let difference = number("difference");
    let interval = ["interval_low", "interval_high"].map(|c| signed(number(c)));
    let level = 100.0 * number("confidence");
    let side = match difference {
        d if signed(d) == "0.00" => "apart from",
        d if d < 0.0 => "below",
        _ => "above",
    };
    format!(
        "{} points {side} FCD ({level} % interval {} to {} over {} seeds and {} people)",
        percent(difference.abs(), 2),
        interval[0],
        interval[1],
        s.claim(claim, "seeds"),
        s.claim(claim, "people")
    )
}

/// What is compared, and how a row calls it.
const CASES: [(&str, &str); 9] = [
    ("train:iresnet18", "train iResNet-18"),
    ("train:iresnet50", "train iResNet-50"),
    ("train:mobilefacenet", "train MobileFaceNet"),
    (
        "train:mobilenetv2:stem_stride=1",
        "train MobileNetV2, stem stride 1",
    ),
    (
        "train:mobilefacenet:width=0.5,size=64",
        "train MobileFaceNet × 0.5 at 64 × 64",
    ),
    ("embed:iresnet50:batch=16", "embed iResNet-50, batch 16"),
    ("embed:iresnet50:batch=1", "embed iResNet-50, batch 1"),
    (
        "embed:mobilefacenet:batch=16",
        "embed MobileFaceNet, batch 16",
    ),
    (
        "embed:mobilefacenet:batch=1",
        "embed MobileFaceNet, batch 1",
    ),
];

const FILE: &str = "speed.csv";

fn speed(s: &mut Sources) -> String {
    let mut of = |case: &str, column| s.all(FILE, &[("case", case)], column)[0].clone();
    let [trained, embedded] = ["train:iresnet18", "embed:iresnet50:batch=1"]
        .map(|case| (of(case, "rounds"), of(case, "date")));
    let mut out = format!(
        "Medians in milliseconds, in turns with {} on {}. Values are 32-bit floats, batches 32 images of \
         112 × 112 unless said. {} rounds of training ({}), {} of embedding ({}); `{}`:\n\n",
        s.condition(FILE, "versions"),
        s.condition(FILE, "machine"),
        trained.0,
        trained.1,
        embedded.0,
        embedded.1,
        s.condition(FILE, "command"),
    );
    let head = [
        "",
        "frbench",
        "PyTorch",
        "tuned",
        "tuned, compiled",
        "ONNX Runtime",
    ];
    out += &format!("| {} | against the best |\n", head.join(" | ").trim());
    out += "|---|---|---|---|---|---|---|\n";
    for (case, label) in CASES {
        let contenders = s.all(FILE, &[("case", case)], "contender");
        let medians = numbers(s.all(FILE, &[("case", case)], "median_ms"));
        let of = |name: &str| {
            let at = contenders.iter().position(|c| c == name);
            at.map(|i| medians[i])
        };
        let ours = of("frbench").unwrap();
        let decimals = usize::from(ours < 10.0);
        let mut cells = vec![label.to_string()];
        cells.extend(
            ["frbench", "default", "tuned", "compiled", "onnx"].map(|name| {
                let text = |ms: f64| format!("{ms:.decimals$}");
                of(name).map_or(String::new(), text)
            }),
        );
        let others = contenders.iter().filter(|c| *c != "frbench");
        let best = others.filter_map(|c| of(c)).fold(f64::INFINITY, f64::min);
        cells.push(format!("{:.2}×", best / ours));
        out += &line(&cells).replace("|  |", "| |");
    }
    out
}

fn scale(s: &mut Sources) -> String {
    const FILE: &str = "scale.csv";
    let mut of = |case: &str, contender: &str, column: &str| {
        s.one(FILE, &[("case", case), ("contender", contender)], column)
    };
    let mut median =
        |case: &str, contender: &str| -> f64 { of(case, contender, "median").parse().unwrap() };
    let products = median("search", "products");
    let [good, alike] = ["good", "random"].map(|kind| median("search", kind) / products);
    let loaded = median("input", "frbench") / median("input", "cv2").max(median("input", "pillow"));
    let pairs = median("templates", "frbench");
    let rounds = [("search", "good"), ("input", "frbench")].map(|(case, c)| of(case, c, "rounds"));
    let date = of("search", "good", "date");
    format!(
        "A search of 3,530 probes among a million distractors takes {good:.1} times as long as NumPy's \
         products alone, and {alike:.1} times where mates score like strangers. NumPy multiplies in 32 \
         bits and counts nothing; here counts, ties and scores are those of 64 bits. The data loader \
         feeds {loaded:.2} times as many images as the faster one of PyTorch's, with OpenCV and with \
         Pillow. As many images, templates and pairs as IJB-C has are scored in {pairs:.0} seconds, \
         reading them included. Medians of {} and {} rounds, in turns, and of one; {}; {}; {date}; `{}`.",
        rounds[0],
        rounds[1],
        s.condition(FILE, "machine"),
        s.condition(FILE, "versions"),
        s.condition(FILE, "command"),
    )
}

const SEEDS: [&str; 4] = ["3", "5", "8", "16"];

fn coverage(s: &mut Sources) -> String {
    const FILE: &str = "coverage.csv";
    let draws = s.all(FILE, &[("what", "difference")], "draws")[0].clone();
    let error = 100.0 * (0.95 * 0.05 / draws.parse::<f64>().unwrap()).sqrt();
    let mut out = format!(
        "Shares of 95 % intervals that hold the true value, in per cent ({} draws a cell, a standard \
         error of {error:.1}):\n\n| | 3 seeds | 5 | 8 | 16 |\n|---|---|---|---|---|\n",
        thousands(&draws)
    );
    let mut covered = |what: &str, effects: &[&str], seeds: &str| -> Vec<f64> {
        let of = |effect: &&str| {
            let cells = [("what", what), ("effect", effect), ("seeds", seeds)];
            numbers(s.all(FILE, &cells, "covered_percent"))
        };
        effects.iter().flat_map(of).collect()
    };
    for (label, what, effects) in [
        ("differences, normal effects", "difference", &["normal"][..]),
        (
            "differences, t with 3 degrees of freedom",
            "difference",
            &["t3"],
        ),
        (
            "differences, exponential effects",
            "difference",
            &["exponential"],
        ),
        (
            "single rows, normal and t effects",
            "single",
            &["normal", "t3"],
        ),
        (
            "single rows, exponential effects",
            "single",
            &["exponential"],
        ),
    ] {
        let cells = SEEDS.map(|seeds| range(&covered(what, effects, seeds)));
        out += &format!("| {label} {}", line(&cells));
    }
    let all = ["normal", "t3", "exponential"];
    let few = ends(&covered("difference", &all, "3"));
    let more: Vec<f64> = SEEDS[1..]
        .iter()
        .flat_map(|seeds| covered("difference", &all, seeds))
        .collect();
    let more = ends(&more);
    let single = ends(&covered("single", &["exponential"], "3"));
    let other = ends(&covered("satterthwaite", &all, "3"));
    out + &format!(
        "\nIntervals of differences cover {:.1} to {:.1} % with five seeds and more, and {:.1} to {:.1} % \
         with three. Above 95 % they are too long, and decide too little. With Satterthwaite's degrees \
         of freedom, three seeds would cover {:.1} to {:.1} %. A single row whose seeds are skewed is \
         covered too rarely with few seeds (down to {:.1} %).",
        more.0, more.1, few.0, few.1, other.0, other.1, single.0
    )
}

fn verdicts(s: &mut Sources) -> String {
    const FILE: &str = "verdicts.csv";
    let mut of = |seeds, wrong, column| s.one(FILE, &[("seeds", seeds), ("wrong", wrong)], column);
    let mut out = format!(
        "Wrong verdicts in per cent of suites, with {} people ({} draws a cell):\n\n\
         | | 3 seeds | 5 | 8 | 16 |\n|---|---|---|---|---|\n",
        of("3", "equivalent", "people"),
        thousands(&of("3", "equivalent", "draws"))
    );
    for (label, wrong) in [
        ("any of four true nulls was decided", "any-of-four"),
        (
            "any of three true nulls, behind a question that was true",
            "any-of-three",
        ),
        (
            "a difference as large as the margin ended *equivalent*",
            "equivalent",
        ),
    ] {
        let cells = SEEDS.map(|seeds| of(seeds, wrong, "percent"));
        out += &format!("| {label} {}", line(&cells));
    }
    out
}

fn nights(s: &mut Sources) -> String {
    const FILE: &str = "nights.csv";
    let columns = [
        "between",
        "pairing",
        "known",
        "step",
        "regressed",
        "upper",
        "worst",
        "confirmed",
        "two",
        "one",
    ];
    let read = columns.map(|column| s.all(FILE, &[], column));
    let mut out =
        "| columns agree | builds agree, known | steps | regressed nights, upper limit | worst \
                   tenth of baselines | nights with further seeds | 2 sd in 3 nights | 1 sd in 10 \
                   nights |\n|---|---|---|---|---|---|---|---|\n"
            .to_string();
    for row in 0..read[0].len() {
        let [
            between,
            pairing,
            known,
            step,
            regressed,
            upper,
            worst,
            further,
            two,
            one,
        ] = read.each_ref().map(|column| column[row].as_str());
        out += &line(&[
            between.to_string(),
            format!("{pairing}, {known}"),
            step.to_string(),
            format!("{regressed} %, {upper} %"),
            format!("{worst} %"),
            format!("{further} %"),
            format!("{two} %"),
            format!("{one} %"),
        ]);
    }
    out
}

const WORLD: &str = "face-world.csv";

fn cues(s: &mut Sources) -> String {
    let mut out = "| cue | synth-lfw, 800 pairs | bound |\n|---|---|---|\n".to_string();
    for (label, figure) in [
        ("mean colour", "mean-colour-percent"),
        ("8 × 8 grey thumbnail", "thumbnail-percent"),
        ("cosine of raw aligned pixels", "raw-pixels-percent"),
    ] {
        let [value, bound] = ["value", "bound"].map(|c| s.one(WORLD, &[("figure", figure)], c));
        out += &line(&[label.into(), format!("{value} %"), format!("{bound} %")]);
    }
    out
}

fn landmarks(s: &mut Sources) -> String {
    let value = s.one(WORLD, &[("figure", "landmarks-px")], "value");
    format!(
        "**Landmarks.** For |yaw| < 10° the median error after alignment is {value} px at 112 × 112."
    )
}

fn networks_on_twins(s: &mut Sources) -> String {
    let ten_fold = |set: &str| format!("{set}-v1/ten-fold/accuracy");
    let columns = [
        ten_fold("synth-lfw-1200"),
        ten_fold("synth-agedb-30-1200"),
        ten_fold("synth-cfp-fp-1000"),
        "synth-megaface-40x5+2000-v1/megaface/rank-1".to_string(),
    ];
    let mut out =
        "| network | synth-lfw | synth-agedb-30 | synth-cfp-fp | rank-1, 2,000 distractors \
                   |\n|---|---|---|---|---|\n"
            .to_string();
    for (label, row) in [
        ("the demo's teacher", "teacher"),
        ("the demo's student alone", "student"),
    ] {
        let seeds = s.mean(row, &columns[0]).1;
        let seeds = match seeds {
            1 => "1 seed".to_string(),
            n => format!("mean of {n} seeds"),
        };
        let cells = columns
            .each_ref()
            .map(|c| percent(s.mean(row, c).0, 1) + " %");
        out += &format!("| {label}, {seeds} {}", line(&cells));
    }
    let seen = columns[..3].iter().map(|column| {
        let rate = s.one("photographs.csv", &[("column", column)], "value");
        percent(rate.parse().unwrap(), 1) + " %"
    });
    let cells: Vec<String> = seen.chain([String::new()]).collect();
    out + &format!(
        "| one that was trained on photographs {}",
        line(&cells).replace("|  |", "| |")
    )
}
