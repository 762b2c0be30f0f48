//! Where in a file the state dictionary of a network is, and what its names begin with.

use crate::tensor::Tensor;
use crate::tree::{Tree, join};
use std::collections::BTreeMap;

/// Something of a file that is no part of the network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Aside {
    /// Its path in the file.
    pub name: String,
    /// What it is: `a tensor of [512, 10575]`, `42 tensors`, `the number 3`.
    pub what: String,
}

/// Tensors by name that may be those of a network.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// The keys that lead to their dictionary, with dots between them; empty for the file's own.
    pub place: String,
    /// What was taken off the beginning of their names.
    pub prefix: String,
    pub tensors: BTreeMap<String, &'a Tensor>,
    /// What else is in the file.
    pub aside: Vec<Aside>,
}

/// Keys under which files keep the state of a network, the likeliest first.
const PLACES: [&str; 12] = [
    "state_dict_backbone",
    "backbone_state_dict",
    "net_state_dict",
    "backbone",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "student",
    "params",
];

/// What wrappers put before the names of a network.
const PREFIXES: [&str; 9] = [
    "module.",
    "features.module.",
    "backbone.",
    "model.",
    "net.",
    "network.",
    "encoder.",
    "student.",
    "_orig_mod.",
];

/// The most dictionaries of a file that are looked at.
const MOST: usize = 16;

/// What may be the state of a network, the likeliest first. A dictionary occurs again for each
/// prefix that most of its names have.
pub fn candidates(tree: &Tree) -> Vec<Candidate<'_>> {
    let mut dictionaries = Vec::new();
    find(tree, "", &mut dictionaries);
    let rank = |place: &str| {
        let last = place.rsplit('.').next().unwrap_or_default();
        PLACES
            .iter()
            .position(|p| *p == last)
            .unwrap_or(PLACES.len())
    };
    dictionaries.sort_by_key(|(place, tree)| (rank(place), usize::MAX - tree.count()));
    dictionaries.truncate(MOST);
    let mut all = Vec::new();
    for (place, dictionary) in dictionaries {
        let mut beside = Vec::new();
        others(tree, "", &place, &mut beside);
        let tensors = dictionary.tensors().into_iter().collect();
        let plain = Candidate {
            place,
            prefix: String::new(),
            tensors,
            aside: beside,
        };
        let mut last = plain.clone();
        all.push(plain);
        while let Some(next) = strip(&last) {
            all.push(next.clone());
            last = next;
        }
    }
    all
}

/// The dictionaries that hold tensors themselves, with their paths.
fn find<'a>(tree: &'a Tree, path: &str, found: &mut Vec<(String, &'a Tree)>) {
    let Tree::Dict(entries) = tree else {
        return;
    };
    if entries.iter().any(|(_, v)| matches!(v, Tree::Tensor(_))) {
        found.push((path.to_string(), tree));
    }
    for (key, value) in entries {
        find(value, &join(path, key), found);
    }
}

/// Whatever of `tree` at `path` is not below `place`.
fn others(tree: &Tree, path: &str, place: &str, found: &mut Vec<Aside>) {
    if path == place {
        return;
    }
    let within = place.strip_prefix(path);
    let on_the_way = path.is_empty() || within.is_some_and(|rest| rest.starts_with('.'));
    match tree {
        Tree::Dict(entries) if on_the_way => {
            for (key, value) in entries {
                others(value, &join(path, key), place, found);
            }
        }
        _ => found.push(Aside {
            name: path.to_string(),
            what: words(tree),
        }),
    }
}

fn words(tree: &Tree) -> String {
    match tree {
        Tree::Tensor(tensor) => format!("a tensor of {:?}", tensor.shape()),
        Tree::Other(words) => words.clone(),
        Tree::Dict(entries) => match tree.count() {
            0 => format!("a dictionary of {}", entries.len()),
            1 => "a dictionary with 1 tensor".into(),
            n => format!("a dictionary with {n} tensors"),
        },
    }
}

/// The same without the prefix that most names have; what has it not is set aside.
fn strip<'a>(from: &Candidate<'a>) -> Option<Candidate<'a>> {
    let having = |prefix: &str| {
        from.tensors
            .keys()
            .filter(|n| n.starts_with(prefix))
            .count()
    };
    let most = PREFIXES
        .iter()
        .filter(|p| 2 * having(p) > from.tensors.len());
    let prefix = most.max_by_key(|p| p.len())?;
    let mut next = Candidate {
        prefix: format!("{}{prefix}", from.prefix),
        tensors: BTreeMap::new(),
        ..from.clone()
    };
    for (name, tensor) in &from.tensors {
        match name.strip_prefix(prefix) {
            Some(rest) => drop(next.tensors.insert(rest.to_string(), tensor)),
            None => next.aside.push(Aside {
                name: join(&from.place, &format!("{}{name}", from.prefix)),
                what: format!("a tensor of {:?}", tensor.shape()),
            }),
        }
    }
    Some(next)
}

/// Whether a tensor that a network does not have is one of a head or a loss, which are of no use
/// for embeddings.
pub fn is_of_a_head(name: &str) -> bool {
    const HEADS: [&str; 16] = [
        "head",
        "heads",
        "header",
        "kernel",
        "weight",
        "fc7",
        "classifier",
        "margin",
        "loss",
        "criterion",
        "logits",
        "softmax",
        "metric",
        "metric_fc",
        "centers",
        "proxies",
    ];
    let first = name.split('.').next().unwrap_or_default();
    HEADS.contains(&first)
}

/// Whether it is a counter of batches beside the statistics of a batch norm.
pub fn is_a_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Dtype;

    fn dict(entries: Vec<(&str, Tree)>) -> Tree {
        Tree::Dict(
            entries
                .into_iter()
                .map(|(k, v)| (k.to_string(), v))
                .collect(),
        )
    }

    fn tensor() -> Tree {
        Tree::Tensor(Tensor::row_major(Dtype::U8, 0..2, vec![2]).unwrap())
    }

    #[test]
    fn the_likeliest_dictionary_comes_first_and_the_rest_is_named() {
        let file = dict(vec![
            ("epoch", Tree::Other("the number 3".into())),
            (
                "optimizer",
                dict(vec![(
                    "state",
                    dict(vec![("a", tensor()), ("b", tensor())]),
                )]),
            ),
            (
                "state_dict",
                dict(vec![
                    ("model.conv.weight", tensor()),
                    ("model.conv.bias", tensor()),
                    ("head.kernel", tensor()),
                ]),
            ),
        ]);
        let all = candidates(&file);
        let found: Vec<(&str, &str, usize)> = all
            .iter()
            .map(|c| (c.place.as_str(), c.prefix.as_str(), c.tensors.len()))
            .collect();
        assert_eq!(
            found,
            [
                ("state_dict", "", 3),
                ("state_dict", "model.", 2),
                ("optimizer.state", "", 2)
            ]
        );
        let aside: Vec<String> = all[1]
            .aside
            .iter()
            .map(|a| format!("{}: {}", a.name, a.what))
            .collect();
        assert_eq!(
            aside,
            [
                "epoch: the number 3",
                "optimizer: a dictionary with 2 tensors",
                "state_dict.head.kernel: a tensor of [2]"
            ]
        );
    }

    #[test]
    fn wrappers_may_lie_in_each_other() {
        let file = dict(vec![("module.net.a", tensor()), ("module.net.b", tensor())]);
        let all = candidates(&file);
        let prefixes: Vec<&str> = all.iter().map(|c| c.prefix.as_str()).collect();
        assert_eq!(prefixes, ["", "module.", "module.net."]);
    }
}
