//! The suite format, as data: every key with its type, range and meaning. Checking, the
//! JSON Schema and the messages are all derived from these tables.

use super::preprocessing;
use Shape::{Bool, Choice, Float, Floats, Int, Ints, Map, Matrix, Named, Text, Texts};

/// The format version this build reads.
pub const SCHEMA: i64 = 1;

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    pub name: &'static str,
    pub shape: Shape,
    pub required: bool,
    pub doc: &'static str,
}

/// What may stand behind a key.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    Text,
    Bool,
    /// One of the named values.
    Choice(&'static [&'static str]),
    /// A whole number in `[min, max]`.
    Int {
        min: i64,
        max: i64,
    },
    /// One side of a square, or `[height, width]`: whole numbers in `[min, max]`.
    Size {
        min: i64,
        max: i64,
    },
    /// A number in `[min, max]`.
    Float {
        min: f64,
        max: f64,
    },
    Texts,
    /// Whole numbers, none negative.
    Ints,
    Floats,
    /// A table with these keys.
    Table(&'static [Field]),
    /// A list of tables with these keys: `[[name]]` or `[{ ... }, ...]`.
    Tables(&'static [Field]),
    /// Tables with these keys under names the suite chooses: `[key.NAME]`.
    Map(&'static [Field]),
    /// `name` of a registered thing and its parameters, checked against the registry.
    Named,
    /// A table of lists of values.
    Matrix,
    /// A number, or the text `unavailable`.
    NumberOrUnavailable,
}

const fn must(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        name,
        shape,
        required: true,
        doc,
    }
}

const fn may(name: &'static str, shape: Shape, doc: &'static str) -> Field {
    Field {
        name,
        shape,
        required: false,
        doc,
    }
}

const POSITIVE: Shape = Int {
    min: 1,
    max: 1 << 40,
};
const RATE: Shape = Float { min: 0.0, max: 1.0 };
const NOT_NEGATIVE: Shape = Float {
    min: 0.0,
    max: 1e12,
};

const PROTOCOLS: Field = may(
    "protocol",
    Map(PROTOCOL),
    "Protocols by the name that profiles use.",
);

/// A suite's file.
pub const SUITE: &[Field] = &[
    must(
        "schema",
        POSITIVE,
        "Version of this format; the first line of a suite.",
    ),
    must("name", Text, "Short name, as in `frbench run NAME`."),
    must("title", Text, "One line for headings and lists."),
    must(
        "analysis",
        Text,
        "Prose for the report: what this suite is, what is verified and what is reconstructed.",
    ),
    may(
        "published",
        Texts,
        "Tables of published numbers to show, by file name in `reference_results/published`.",
    ),
    may(
        "paper",
        Shape::Table(PAPER),
        "The publication the suite is about.",
    ),
    may(
        "teacher",
        Shape::Table(ENTRY),
        "The network others learn from.",
    ),
    may(
        "student",
        Shape::Table(ENTRY),
        "The student trained alone, the floor that every method has to beat.",
    ),
    may("baseline", Shape::Tables(ENTRY), "Methods to compare with."),
    may("method", Shape::Tables(ENTRY), "The methods under test."),
    may(
        "ablation",
        Shape::Tables(ABLATION),
        "Variants of one of the above.",
    ),
    may(
        "condition",
        Shape::Tables(CONDITION),
        "What may be done to the data; profiles say under which conditions their entries run.",
    ),
    may(
        "model",
        Map(MODEL),
        "Networks that were trained elsewhere, by the name that entries use.",
    ),
    PROTOCOLS,
    must(
        "profile",
        Map(PROFILE),
        "Sizes and settings to run the suite with, by name.",
    ),
    may(
        "claim",
        Shape::Tables(CLAIM),
        "Statements that the run puts to the test.",
    ),
    may(
        "gate",
        Shape::Tables(GATE),
        "What `frbench nightly` watches: a value of an entry that must not drop.",
    ),
    may("reference", Shape::Tables(REFERENCE), "Published numbers."),
];

/// `[paper]`
pub const PAPER: &[Field] = &[
    must("title", Text, "Title."),
    may("authors", Texts, "Authors."),
    may("venue", Text, "Where it appeared."),
    may(
        "year",
        Int {
            min: 1950,
            max: 2200,
        },
        "When it appeared.",
    ),
    may("url", Text, "Where to read it."),
    may("doi", Text, "Digital object identifier."),
    may("arxiv", Text, "arXiv number."),
    may(
        "code",
        Text,
        "The authors' code, or a statement that there is none.",
    ),
];

const UNDER_DOC: &str =
    "Ids of conditions: where a profile has several, this entry runs under these alone.";
const MATRIX_DOC: &str = "Method parameters, and as `\"head.NAME\"` those of the head, by the values they take; one row per combination.";
const START_DOC: &str = "Id of the entry whose network the training starts from (fine-tuning), instead of random weights: of the same seed, if it has that, else of its first.";
const KEEP_DOC: &str = "Train on the images that another entry's network finds near to their class alone (Sub-center ArcFace's drop and retrain).";

/// `[model.NAME]`
pub const MODEL: &[Field] = &[
    must(
        "file",
        Text,
        "File of weights, from the folder of the suite on: PyTorch, safetensors, ONNX.",
    ),
    may(
        "preset",
        Choice(preprocessing::NAMES),
        "Whose preprocessing the network was trained with. State this or `input`.",
    ),
    may(
        "input",
        Shape::Table(MODEL_INPUT),
        "How images become its input. State this or `preset`.",
    ),
    may(
        "backbone",
        Named,
        "Architecture and its parameters, where the file leaves several possible.",
    ),
];

/// `input` of a model; its size follows from the file.
pub const MODEL_INPUT: &[Field] = &[COLOR, MEAN, STD];

const COLOR: Field = must("color", Choice(&["rgb", "bgr"]), "Channel order.");
const MEAN: Field = must("mean", RATE, "Subtracted from x / 255.");
const STD: Field = must(
    "std",
    Float {
        min: 1e-6,
        max: 10.0,
    },
    "Divides x / 255 - mean.",
);

const PUBLISHED_DOC: &str =
    "What tables of published numbers call it, where that is not its label.";

/// `[teacher]`, `[student]`, `[[baseline]]`, `[[method]]`
pub const ENTRY: &[Field] = &[
    must(
        "id",
        Text,
        "Name within the suite: lower-case letters, digits and dashes.",
    ),
    must(
        "label",
        Text,
        "Name in tables. With a matrix, `{key}` stands for the value.",
    ),
    may("note", Text, "What a reader of the table must know."),
    may("published", Texts, PUBLISHED_DOC),
    may(
        "method",
        Named,
        "Training method and its parameters; with `network` and `training`, or `model` in place of the three.",
    ),
    may(
        "model",
        Text,
        "Name of a model of the suite, which is read from its file and not trained.",
    ),
    may(
        "head",
        Named,
        "Margin head and its parameters, or the name of a `preset` of them.",
    ),
    may(
        "teacher",
        Text,
        "Id of the entry whose network is the teacher.",
    ),
    may("network", Text, "Name of a network of the profile."),
    may(
        "training",
        Text,
        "Name of a training recipe of the profile.",
    ),
    may("start", Text, START_DOC),
    may("keep", Shape::Table(KEEP), KEEP_DOC),
    may("under", Texts, UNDER_DOC),
    may(
        "seeds",
        Ints,
        "Instead of the profile's seeds. A teacher is the network of its first seed.",
    ),
    may("matrix", Matrix, MATRIX_DOC),
];

/// `keep` of an entry.
pub const KEEP: &[Field] = &[
    must(
        "by",
        Text,
        "Id of the entry whose network, trained on the whole set with the same seed, judges the images.",
    ),
    must(
        "degrees",
        Float {
            min: 0.0,
            max: 180.0,
        },
        "Largest angle of an image to the dominant centre of its class.",
    ),
];

/// `[[ablation]]`
pub const ABLATION: &[Field] = &[
    must(
        "id",
        Text,
        "Name within the suite: lower-case letters, digits and dashes.",
    ),
    must(
        "label",
        Text,
        "Name in tables. With a matrix, `{key}` stands for the value.",
    ),
    may("note", Text, "What a reader of the table must know."),
    may("published", Texts, PUBLISHED_DOC),
    must("of", Text, "Id of the entry this is a variant of."),
    may(
        "method",
        Named,
        "Method parameters that differ; `name` too, if the method does.",
    ),
    may(
        "head",
        Named,
        "Head parameters that differ; `name` too, if the head does.",
    ),
    may("network", Text, "Another network of the profile."),
    may("training", Text, "Another training recipe of the profile."),
    may("start", Text, START_DOC),
    may("keep", Shape::Table(KEEP), KEEP_DOC),
    may("under", Texts, UNDER_DOC),
    may(
        "seeds",
        Ints,
        "Instead of the seeds of the entry it varies.",
    ),
    may("matrix", Matrix, MATRIX_DOC),
];

/// `[[condition]]`
pub const CONDITION: &[Field] = &[
    must(
        "id",
        Text,
        "Name within the suite: lower-case letters, digits and dashes. A row under it is called `ENTRY@ID`.",
    ),
    must("label", Text, "Name in tables."),
    may("note", Text, "What a reader of the table must know."),
    may(
        "noise",
        Shape::Table(NOISE),
        "What is wrong in the training set; without it, nothing.",
    ),
    may(
        "degrade",
        Shape::Table(DEGRADE),
        "Loss of resolution of what the networks see, in training and evaluation.",
    ),
];

/// `noise` of a condition.
pub const NOISE: &[Field] = &[
    must(
        "closed",
        RATE,
        "Share of each class's images, rounded down, that get the label of another class at random.",
    ),
    may(
        "open",
        RATE,
        "Share of each class's images, rounded down, that are replaced by `outliers` of the profile under labels at random.",
    ),
    must(
        "seed",
        Int {
            min: 0,
            max: 1 << 53,
        },
        "Seed of the draw: the same images are wrong for all entries and training seeds.",
    ),
];

/// `degrade` of a condition or of an input.
pub const DEGRADE: &[Field] = &[
    must(
        "kind",
        Choice(&["nearest+blur", "bicubic"]),
        "Reduced and enlarged by the nearest pixel and then blurred, or by cubic convolution.",
    ),
    may(
        "factor",
        Float {
            min: 1.0,
            max: 28.0,
        },
        "How many times smaller the input becomes before it is enlarged again. State this or `side`.",
    ),
    may(
        "side",
        Int { min: 4, max: 448 },
        "Side in pixels that the input is reduced to. State this or `factor`.",
    ),
];

/// `[protocol.NAME]`
pub const PROTOCOL: &[Field] = &[must(
    "kind",
    Named,
    "Registered protocol and its parameters.",
)];

const TRAIN_DATA: Field = may("train-data", Text, "Name of the training set.");
const SEEDS: Field = may(
    "seeds",
    Ints,
    "Training seeds; methods are compared seed by seed.",
);
const EVALUATED: Field = may(
    "evaluate",
    Shape::Tables(EVALUATE),
    "Columns of the table: a data set under a protocol.",
);
const NETWORKS: Field = may("network", Map(NETWORK), "Networks by name.");
const TRAININGS: Field = may("training", Map(TRAINING), "Training recipes by name.");

/// A file of recipes.
pub const RECIPES: &[Field] = &[
    must(
        "schema",
        POSITIVE,
        "Version of this format; the first line of a file of recipes.",
    ),
    may(
        "protocol",
        Map(PROTOCOL),
        "Protocols that suites with a `base` may name, too; one of the suite's own replaces that of its name.",
    ),
    may(
        "recipe",
        Map(RECIPE),
        "What a profile can take, by the name that its `base` states.",
    ),
];

/// `[recipe.NAME]`
pub const RECIPE: &[Field] = &[TRAIN_DATA, SEEDS, EVALUATED, NETWORKS, TRAININGS];

/// `[profile.NAME]`
pub const PROFILE: &[Field] = &[
    may(
        "base",
        Text,
        "A recipe of `recipes.toml` beside the suite, or of the program's own. What the profile states replaces what the recipe states; networks and trainings are replaced by name, each as a whole.",
    ),
    may(
        "extends",
        Text,
        "Another profile. What this one states replaces what that one states; networks, trainings and overrides are replaced by name.",
    ),
    may(
        "summary",
        Text,
        "What this profile is for and what it costs.",
    ),
    TRAIN_DATA,
    SEEDS,
    may(
        "entries",
        Texts,
        "Ids to run, in the order of the table. An id with a matrix stands for all its rows.",
    ),
    may(
        "conditions",
        Texts,
        "Ids of conditions: every entry but the teacher is run once under each. Without it, on the data as they are.",
    ),
    may(
        "outliers",
        Text,
        "Name of the data set whose images open-set noise puts in: a training set, or the distractors of an identification set.",
    ),
    EVALUATED,
    NETWORKS,
    TRAININGS,
    may(
        "override",
        Map(OVERRIDE),
        "Changes to entries, by id, for this profile only: `ENTRY`, `ENTRY@CONDITION`, and `*` for all entries.",
    ),
];

/// An item of `evaluate`.
pub const EVALUATE: &[Field] = &[
    must("data", Text, "Name of the data set."),
    must("protocol", Text, "Name of a protocol of the suite."),
    may(
        "entries",
        Texts,
        "Evaluate only these entries there; without it, all.",
    ),
    may(
        "native",
        Bool,
        "The images are small by themselves: networks see them without any `degrade` of their own.",
    ),
];

/// `[profile.NAME.network.NAME]`
pub const NETWORK: &[Field] = &[
    must("backbone", Named, "Architecture and its parameters."),
    must("embedding", Int { min: 1, max: 65536 }, "Embedding size."),
    must("input", Shape::Table(INPUT), "How images become input."),
    may(
        "conv",
        Choice(&["fast", "direct"]),
        "3 x 3 convolutions by Winograd's algorithm (the default) or as direct sums.",
    ),
];

/// `input` of a network.
pub const INPUT: &[Field] = &[
    must(
        "size",
        Shape::Size { min: 16, max: 448 },
        "Side in pixels, or `[height, width]`; of 112 x 112 crops, the middle of these proportions is reduced by area.",
    ),
    COLOR,
    MEAN,
    STD,
    may(
        "degrade",
        Shape::Table(DEGRADE),
        "Loss of resolution before the network sees the image, after mirroring; without it, none.",
    ),
];

/// `[profile.NAME.training.NAME]`
pub const TRAINING: &[Field] = &[
    may(
        "data",
        Text,
        "Name of the training set, where it is not the profile's.",
    ),
    may(
        "epochs",
        Float {
            min: 1e-6,
            max: 1e6,
        },
        "Passes over the training set. State this or `steps`.",
    ),
    may(
        "steps",
        POSITIVE,
        "Optimiser steps. State this or `epochs`.",
    ),
    must(
        "batch",
        Int {
            min: 1,
            max: 1 << 20,
        },
        "Images per optimiser step.",
    ),
    may(
        "bn-group",
        Int {
            min: 1,
            max: 1 << 20,
        },
        "Images per batch-norm group; divides the batch. Without it, the batch.",
    ),
    must(
        "lr",
        Float {
            min: 0.0,
            max: 100.0,
        },
        "Peak learning rate.",
    ),
    may(
        "warmup",
        NOT_NEGATIVE,
        "Linear warm-up from 0, in epochs or steps as the length is.",
    ),
    must(
        "decay",
        Shape::Table(DECAY),
        "Learning rate after the warm-up.",
    ),
    must("momentum", RATE, "SGD momentum."),
    may("nesterov", Bool, "Nesterov momentum; without it, plain."),
    must("weight-decay", RATE, "L2 penalty, added to the gradient."),
    may(
        "decay-norms",
        Bool,
        "Whether scales and shifts of batch norms get the penalty, too; without it, they do.",
    ),
    may(
        "clip",
        Float {
            min: 1e-6,
            max: 1e9,
        },
        "Largest L2 norm of the backbone's gradient; without it, no clipping.",
    ),
    must("flip", Bool, "Random horizontal flip."),
    may(
        "keep-last",
        Bool,
        "Whether an epoch ends with a smaller batch of what is left; without it, that is left out.",
    ),
    may(
        "precision",
        Choice(&["f32", "tf32", "bf16"]),
        "Arithmetic of the network: 32-bit floats, or on a GPU tf32 products or bfloat16 activations. Without it, f32.",
    ),
    may(
        "balanced",
        Shape::Table(BALANCED),
        "The part of every batch that shows several images of each of some identities; without it, all of a batch is random.",
    ),
];

/// `balanced` of a training recipe.
pub const BALANCED: &[Field] = &[
    must(
        "images",
        Int {
            min: 1,
            max: 1 << 20,
        },
        "Images of a batch that are drawn so.",
    ),
    must(
        "per-identity",
        Int { min: 2, max: 1024 },
        "Images of each identity; divides `images`.",
    ),
    may(
        "classified",
        Bool,
        "Whether the head sees these images, too; without it, it does.",
    ),
];

/// `decay` of a training recipe.
pub const DECAY: &[Field] = &[
    must(
        "kind",
        Choice(&["constant", "step", "polynomial", "cosine"]),
        "Form of the decay.",
    ),
    may(
        "milestones",
        Floats,
        "For `step`: where the rate is multiplied by `gamma`, in epochs or steps as the length is.",
    ),
    may("gamma", RATE, "For `step`."),
    may(
        "power",
        Float {
            min: 0.0,
            max: 10.0,
        },
        "For `polynomial`: lr * (1 - progress)^power.",
    ),
];

/// `[profile.NAME.override.ID]`; the id is an entry's, `*` for all entries, or one of them with
/// `@CONDITION`
pub const OVERRIDE: &[Field] = &[
    may("method", Named, "Method parameters that differ."),
    may("head", Named, "Head parameters that differ."),
    may("network", Text, "Another network of the profile."),
    may("training", Text, "Another training recipe of the profile."),
    may("start", Text, START_DOC),
    may("keep", Shape::Table(KEEP), KEEP_DOC),
    may("seeds", Ints, "Other seeds."),
    may("matrix", Matrix, "Another matrix."),
];

/// `[[claim]]`
pub const CLAIM: &[Field] = &[
    must("id", Text, "Name within the suite."),
    must("text", Text, "The statement, as a sentence."),
    must("better", Text, "Id of the entry said to be better."),
    must("than", Text, "Id of the entry said to be worse."),
    must(
        "on",
        Text,
        "A data set, or its name without size and version for any size of it.",
    ),
    must(
        "metric",
        Text,
        "Metric of the protocol, such as `accuracy`.",
    ),
    may(
        "margin",
        NOT_NEGATIVE,
        "Smallest difference that matters, in units of the metric (0.004 is 0.4 points); set \
         before there are data. Without it any difference counts, and none can be excluded.",
    ),
    may(
        "margin-source",
        Text,
        "What the margin follows from, such as half of a published effect, and where that stands.",
    ),
    may(
        "why",
        Text,
        "Why it is judged in this column: what the source's own protocol is closest to.",
    ),
    may(
        "primary",
        Bool,
        "One of the few claims that the suite is about: judged together with the others of its \
         kind (Holm). Without it a claim is exploratory, and judged by itself.",
    ),
    may(
        "reconstructed",
        Text,
        "What had to be reconstructed: the verdict is said to be one of that.",
    ),
    may(
        "under",
        Text,
        "Id of the condition it is about; without it, all that the profile runs.",
    ),
    may(
        "question",
        Bool,
        "This is what the paper asks: the report begins with the answer. It is a primary claim \
         that is tested before the others.",
    ),
    may("source", Text, "Where the claim is made."),
];

/// `[[gate]]`
pub const GATE: &[Field] = &[
    must("id", Text, "Name within the suite."),
    must("entry", Text, "Id of the entry whose value is watched."),
    must(
        "on",
        Text,
        "A data set, or its name without size and version for any size of it.",
    ),
    must(
        "metric",
        Text,
        "Metric of the protocol, such as `accuracy`.",
    ),
    may(
        "under",
        Text,
        "Id of the condition it is watched under; without it, all that the profile runs.",
    ),
    must(
        "tolerance",
        NOT_NEGATIVE,
        "A loss up to this is no regression, in units of the metric.",
    ),
    must(
        "why",
        Text,
        "What this value stands for, and why a smaller loss does not matter.",
    ),
];

/// `[[reference]]`
pub const REFERENCE: &[Field] = &[
    must("entry", Text, "Id of the entry the number belongs to."),
    must("data", Text, "Data set, as the source names it."),
    must("metric", Text, "Metric, as the source names it."),
    must(
        "value",
        Shape::NumberOrUnavailable,
        "The number in the unit of the metric, or `unavailable`.",
    ),
    must(
        "source",
        Text,
        "Paper, table and row, or where it was looked for.",
    ),
    must(
        "context",
        Text,
        "Training data, networks, checkpoint rule: what has to match before comparing.",
    ),
];
