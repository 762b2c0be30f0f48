//! Every mistake a suite can contain ends in one message with file, line and column that says
//! what would be right.

use crate::tiny::TINY;
use frbench::embedded;
use frbench::suite::source::Source;
use frbench::suite::{parse, validate};

/// The message for `tiny.toml` with one thing changed.
fn message(from: &str, to: &str) -> String {
    let text = TINY.replacen(from, to, 1);
    assert_ne!(text, TINY, "`{from}` is not in the suite");
    let known = embedded::catalogue(None).unwrap();
    let error = parse(Source::new("bad.toml", text))
        .and_then(|suite| validate(&suite, &known))
        .expect_err("the suite was accepted");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

/// What goes wrong, the text of the suite, and what stands there instead.
const CASES: &[(&str, &str, &str)] = &[
    ("not TOML", "name = \"tiny\"", "name = \"tiny"),
    ("no schema", "schema = 1\n", ""),
    ("schema of another time", "schema = 1", "schema = 9"),
    (
        "typo in a key",
        "analysis = \"Nothing",
        "analisys = \"Nothing",
    ),
    (
        "typo in a key of a table",
        "weight-decay = 5e-4",
        "weight_decay = 5e-4",
    ),
    (
        "unknown key without a likely meaning",
        "momentum = 0.9",
        "zzz = 1\nmomentum = 0.9",
    ),
    ("key missing", "batch = 16\n", ""),
    (
        "key missing in a profile",
        "train-data = \"synth-train-40x6-v1\"\n",
        "",
    ),
    ("wrong type", "batch = 16", "batch = \"16\""),
    ("wrong type in a list", "seeds = [7]", "seeds = [\"seven\"]"),
    ("negative learning rate", "lr = 0.1", "lr = -0.1"),
    ("not a number", "lr = 0.1", "lr = nan"),
    (
        "no step at all",
        "epochs = 2\nbatch = 16\nlr = 0.1\nwarmup = 0.5",
        "epochs = 0.01\nbatch = 16\nlr = 0.1",
    ),
    (
        "batch larger than the set",
        "epochs = 2\nbatch = 16",
        "epochs = 2\nbatch = 512",
    ),
    (
        "milestone within the warm-up",
        "decay = { kind = \"step\"",
        "warmup = 12\ndecay = { kind = \"step\"",
    ),
    ("more neighbours than there are others", "k = 10", "k = 40"),
    (
        "input that the backbone cannot have",
        "size = 32",
        "size = 33",
    ),
    ("more folds than pairs", "folds = 10", "folds = 500"),
    (
        "name that leads out of its folder",
        "name = \"tiny\"",
        "name = \"../tiny\"",
    ),
    (
        "profile that leads out of its folder",
        "[profile.quick]",
        "[profile.\"/../quick\"]",
    ),
    (
        "control character that a terminal would obey",
        "title = \"A small",
        "title = \"A \\u001b[31msmall",
    ),
    (
        "character that turns the direction of text",
        "title = \"A small",
        "title = \"A \\u202esmall",
    ),
    ("number out of range", "mean = 0.5", "mean = 127.5"),
    ("negative seed", "seeds = [7]", "seeds = [-7]"),
    ("seed twice", "seeds = [1, 2]", "seeds = [1, 1]"),
    ("no seed", "seeds = [7]", "seeds = []"),
    (
        "a metric that the protocol does not yield",
        "metric = \"accuracy\"",
        "metric = \"acuracy\"",
    ),
    (
        "false accept rate that is none",
        "folds = 10",
        "folds = 10, fars = [2.0]",
    ),
    ("unknown method", "name = \"fcd\"", "name = \"fcdd\""),
    ("unknown head", "name = \"arcface\"", "name = \"arcfce\""),
    (
        "unknown preset",
        "{ name = \"arcface\", s = 64.0, m = 0.5 }",
        "{ name = \"arcface\", preset = \"papper\" }",
    ),
    (
        "preset of another head",
        "{ name = \"arcface\", s = 64.0, m = 0.5 }",
        "{ name = \"arcface\", preset = \"insightface\" }",
    ),
    (
        "preset that is no text",
        "{ name = \"arcface\", s = 64.0, m = 0.5 }",
        "{ name = \"arcface\", preset = 1 }",
    ),
    (
        "preset of a method",
        "normalize = true }",
        "normalize = true, preset = \"paper\" }",
    ),
    (
        "unknown backbone",
        "name = \"iresnet18\"",
        "name = \"iresnet81\"",
    ),
    (
        "unknown protocol",
        "kind = { name = \"verification\"",
        "kind = { name = \"verificatoin\"",
    ),
    (
        "undefined protocol",
        "protocol = \"ten-fold\"",
        "protocol = \"tenfold\"",
    ),
    (
        "missing data set",
        "train-data = \"synth-train-40x6-v1\"",
        "train-data = \"glint-mimi\"",
    ),
    ("unknown twin", "synth-lfw-60-v1", "synth-lwf-60-v1"),
    (
        "size that does not fit",
        "synth-lfw-60-v1",
        "synth-lfw-61-v1",
    ),
    (
        "data of another kind",
        "data = \"synth-lfw-60-v1\"",
        "data = \"synth-megaface-v1\"",
    ),
    (
        "training on pairs",
        "train-data = \"synth-train-40x6-v1\"",
        "train-data = \"synth-lfw-v1\"",
    ),
    (
        "unknown parameter",
        "normalize = true }",
        "normalise = true }",
    ),
    (
        "missing parameter",
        "{ name = \"arcface\", s = 64.0,",
        "{ name = \"arcface\",",
    ),
    (
        "parameter of the wrong type",
        "normalize = true }",
        "normalize = 1 }",
    ),
    ("parameter out of range", "q = 0.03", "q = -0.03"),
    (
        "parameter with an unknown value",
        "form = \"hinge\"",
        "form = \"hinch\"",
    ),
    (
        "value of a matrix out of range",
        "k = [5, 10, 20]",
        "k = [5, 0, 20]",
    ),
    ("matrix without values", "k = [5, 10, 20]", "k = []"),
    (
        "method without its teacher",
        "teacher = \"teacher\"\nmethod = { name = \"fcd\"",
        "method = { name = \"fcd\"",
    ),
    (
        "method without its head",
        "head = { name = \"arcface\", s = 64.0, m = 0.5 }\nnetwork = \"large\"",
        "network = \"large\"",
    ),
    (
        "undefined network",
        "network = \"large\"",
        "network = \"lagre\"",
    ),
    (
        "undefined training",
        "training = \"long\"",
        "training = \"lng\"",
    ),
    (
        "undefined entry in a profile",
        "\"fcd\", \"coupleface\", \"neighbours\"]",
        "\"fdc\", \"coupleface\"]",
    ),
    (
        "entry listed twice",
        "\"fcd\", \"coupleface\", \"neighbours\"]",
        "\"fcd\", \"fcd\"]",
    ),
    (
        "unknown judge",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"short\"\nkeep = { by = \"techer\", degrees = 75.0 }\n\n[[baseline]]",
    ),
    (
        "judge without a head",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"short\"\nkeep = { by = \"fcd\", degrees = 75.0 }\n\n[[baseline]]",
    ),
    (
        "judge of itself",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"short\"\nkeep = { by = \"student\", degrees = 75.0 }\n\n[[baseline]]",
    ),
    (
        "judge of another set",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"other\"\nkeep = { by = \"teacher\", degrees = 75.0 }\n\n[profile.demo.training.other]\ndata = \"synth-train-40x7-v1\"\nsteps = 20\nbatch = 16\nlr = 0.1\ndecay = { kind = \"constant\" }\nmomentum = 0.9\nweight-decay = 5e-4\nflip = true\n\n[[baseline]]",
    ),
    (
        "judge that is several networks",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"short\"\nkeep = { by = \"neighbours\", degrees = 75.0 }\n\n[[baseline]]",
    ),
    (
        "judge not run",
        "training = \"short\"\n\n[[method]]",
        "training = \"short\"\nkeep = { by = \"student\", degrees = 75.0 }\n\n[[method]]",
    ),
    (
        "judge without an angle",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"short\"\nkeep = { by = \"teacher\" }\n\n[[baseline]]",
    ),
    (
        "angle out of range",
        "training = \"short\"\n\n[[baseline]]",
        "training = \"short\"\nkeep = { by = \"teacher\", degrees = 270 }\n\n[[baseline]]",
    ),
    (
        "teacher not run",
        "entries = [\"teacher\", \"student\"",
        "entries = [\"student\"",
    ),
    (
        "logits of a teacher without a head",
        "teacher = \"teacher\"\nmethod = { name = \"fcd\", normalize = true }\nnetwork = \"small\"",
        "teacher = \"coupleface\"\nmethod = { name = \"distill\", beta = 1.0, losses = [{ name = \"logit-kd\", temperature = 4.0 }] }\nhead = { name = \"arcface\", s = 64.0, m = 0.5 }\nnetwork = \"small\"",
    ),
    (
        "input gradients of other classes",
        "teacher = \"teacher\"\nmethod = { name = \"fcd\", normalize = true }\nnetwork = \"small\"",
        "teacher = \"teacher\"\nmethod = { name = \"distill\", losses = [{ name = \"at-gradient\" }] }\nhead = { name = \"arcface\", s = 64.0, m = 0.5 }\nnetwork = \"small\"\ntraining = \"other\"\n\n[profile.demo.training.other]\ndata = \"synth-train-40x7-v1\"\nsteps = 20\nbatch = 16\nlr = 0.1\ndecay = { kind = \"constant\" }\nmomentum = 0.9\nweight-decay = 5e-4\nflip = true\n\n[[baseline]]\nid = \"spare\"\nlabel = \"Spare\"\nmethod = { name = \"margin-softmax\" }\nhead = { name = \"arcface\", s = 64.0, m = 0.5 }\nnetwork = \"small\"",
    ),
    (
        "input gradients with respect to another input",
        "teacher = \"teacher\"\nmethod = { name = \"fcd\", normalize = true }\nnetwork = \"small\"",
        "teacher = \"teacher\"\nmethod = { name = \"distill\", beta = 1.0, losses = [{ name = \"at-gradient\" }] }\nhead = { name = \"arcface\", s = 64.0, m = 0.5 }\nnetwork = \"other\"\ntraining = \"short\"\n\n[profile.demo.network.other]\nbackbone = { name = \"mobilefacenet\", width = 0.25 }\nembedding = 32\ninput = { size = 32, color = \"bgr\", mean = 0.5, std = 0.5 }\n\n[[baseline]]\nid = \"spare\"\nlabel = \"Spare\"\nmethod = { name = \"margin-softmax\" }\nhead = { name = \"arcface\", s = 64.0, m = 0.5 }\nnetwork = \"small\"",
    ),
    ("duplicate id", "id = \"fcd\"", "id = \"student\""),
    ("id that is no id", "id = \"fcd\"", "id = \"F C D\""),
    (
        "undefined origin of an ablation",
        "of = \"coupleface\"",
        "of = \"cuopleface\"",
    ),
    (
        "ablation of itself",
        "of = \"coupleface\"",
        "of = \"neighbours\"",
    ),
    (
        "circle of teachers",
        "label = \"Teacher\"",
        "label = \"Teacher\"\nteacher = \"fcd\"",
    ),
    (
        "circle of profiles",
        "summary = \"Everything once.\"",
        "extends = \"quick\"",
    ),
    (
        "profile that extends itself",
        "extends = \"demo\"",
        "extends = \"quick\"",
    ),
    (
        "unknown profile",
        "extends = \"demo\"",
        "extends = \"dmeo\"",
    ),
    (
        "claim of an unknown method",
        "better = \"coupleface\"",
        "better = \"couplefase\"",
    ),
    (
        "claim on data that nothing evaluates",
        "on = \"synth-lfw\"",
        "on = \"synth-cfp-fp\"",
    ),
    (
        "reference of an unknown method",
        "entry = \"coupleface\"",
        "entry = \"couplefase\"",
    ),
    (
        "value that is neither",
        "value = \"unavailable\"",
        "value = \"none\"",
    ),
    ("steps and epochs", "steps = 20", "steps = 20\nepochs = 1"),
    ("neither steps nor epochs", "steps = 20\n", ""),
    (
        "milestone after the end",
        "milestones = [10, 15]",
        "milestones = [10, 25]",
    ),
    (
        "key of another decay",
        "power = 2 }",
        "power = 2, gamma = 0.1 }",
    ),
    (
        "decay without its key",
        "{ kind = \"polynomial\", power = 2 }",
        "{ kind = \"polynomial\" }",
    ),
    ("warm-up longer than training", "warmup = 0.5", "warmup = 3"),
    (
        "group that does not divide the batch",
        "batch = 16",
        "batch = 16\nbn-group = 5",
    ),
    (
        "more balanced images than a batch holds",
        "batch = 16",
        "batch = 16\nbalanced = { images = 20, per-identity = 4 }",
    ),
    (
        "balanced images that do not come out even",
        "batch = 16",
        "batch = 16\nbalanced = { images = 10, per-identity = 4 }",
    ),
    (
        "balanced images of no number of identities",
        "batch = 16",
        "batch = 16\nbalanced = { images = 8 }",
    ),
    (
        "balanced images that leave the head none",
        "batch = 16",
        "batch = 16\nbalanced = { images = 16, per-identity = 4, classified = false }",
    ),
    (
        "a last batch of what is partly balanced",
        "batch = 16",
        "batch = 16\nkeep-last = true\nbalanced = { images = 8, per-identity = 4 }",
    ),
    (
        "gate on a metric that its protocol does not yield",
        "[[reference]]",
        "[[gate]]\nid = \"holds\"\nentry = \"fcd\"\non = \"synth-lfw\"\nmetric = \"rank-1\"\ntolerance = 0.01\nwhy = \"A test.\"\n\n[[reference]]",
    ),
    (
        "gate on a metric that another profile alone yields",
        "protocol = \"ten-fold\" }]",
        "protocol = \"rates\" }]\n\n[protocol.rates]\nkind = { name = \"verification\", folds = 10, fars = [2e-1] }\n\n[[gate]]\nid = \"holds\"\nentry = \"fcd\"\non = \"synth-lfw\"\nmetric = \"tar@far=2e-1\"\ntolerance = 0.01\nwhy = \"A test.\"",
    ),
    (
        "two gates on one value",
        "[[reference]]",
        "[[gate]]\nid = \"holds\"\nentry = \"fcd\"\non = \"synth-lfw\"\nmetric = \"accuracy\"\ntolerance = 0.01\nwhy = \"A test.\"\n\n[[gate]]\nid = \"also\"\nentry = \"fcd\"\non = \"synth-lfw\"\nmetric = \"accuracy\"\ntolerance = 0.01\nwhy = \"A test.\"\n\n[[reference]]",
    ),
    (
        "gate of an entry that is not evaluated there",
        "[[reference]]",
        "[[gate]]\nid = \"holds\"\nentry = \"student\"\non = \"synth-megaface\"\nmetric = \"rank-1\"\ntolerance = 0.01\nwhy = \"A test.\"\n\n[[reference]]",
    ),
];

#[test]
fn messages() {
    let all = CASES
        .iter()
        .map(|(what, from, to)| format!("## {what}\n{}\n\n", message(from, to)));
    insta::assert_snapshot!(all.collect::<String>());
}

#[test]
fn every_message_has_a_position_in_the_file() {
    for (what, from, to) in CASES {
        let message = message(from, to);
        let mut parts = message.splitn(4, ':');
        assert_eq!(parts.next(), Some("bad.toml"), "{what}");
        for number in [parts.next(), parts.next()] {
            assert!(
                number.is_some_and(|n| n.parse::<usize>().is_ok()),
                "{what}: {message}"
            );
        }
        assert!(!message.contains("none is known"), "{what}: {message}");
    }
}

#[test]
fn nothing_that_can_be_typed_panics() {
    // Every prefix of the suite, and the suite with every line removed.
    let known = embedded::catalogue(None).unwrap();
    let read = |text: String| {
        let _ = parse(Source::new("cut.toml", text)).and_then(|s| validate(&s, &known));
    };
    for end in (0..TINY.len()).step_by(7) {
        read(TINY[..end].to_string());
    }
    let lines: Vec<&str> = TINY.lines().collect();
    for skip in 0..lines.len() {
        let kept = lines.iter().enumerate().filter(|(i, _)| *i != skip);
        read(kept.map(|(_, l)| format!("{l}\n")).collect());
    }
}
