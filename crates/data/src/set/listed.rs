//! Lists of pairs as sets are made of them: the order in which pairs are taken, their folds, people
//! and groups.

use super::{Findings, bad};
use crate::list::{self, ListedPair, Text};
use crate::watch::Watch;
use frbench_base::Result;
use frbench_job::description::{PairData, PairGroups};
use std::collections::BTreeMap;
use std::path::Path;

/// A list of pairs, and what a reader of results must know of it.
pub struct Listed {
    /// In the order of the list.
    pub pairs: Vec<ListedPair>,
    /// The order in which they are taken, as their places in the list.
    pub order: Vec<usize>,
    pub findings: Findings,
}

/// Reads a list: a table where its name ends in `.csv`, else lines of text. Of a list that is ordered
/// by class, genuine and impostor pairs are taken in turns.
///
/// # Errors
/// [`Error::Data`](frbench_base::Error::Data) with the line, and for a list of no pair; what `watch`
/// returns.
pub fn read_listed(path: &Path, watch: Watch) -> Result<Listed> {
    let text = list::read(path)?;
    let text = Text::watched(&text, watch);
    let mut findings = Findings::default();
    let pairs = match path.extension().is_some_and(|e| e == "csv") {
        true => {
            let table = list::parse_pair_table(text, path)?;
            if !table.unread.is_empty() {
                findings.say(format!(
                    "{}: not read are the columns {}",
                    path.display(),
                    table.unread.join(", ")
                ));
            }
            table.pairs
        }
        false => {
            let list = list::parse_pair_list(text, path)?;
            if let Some((line, announced)) = list.announced.filter(|a| a.1 != list.pairs.len()) {
                findings.say_odd(format!(
                    "line {line} of {} announces {announced} pairs, and {} are listed",
                    path.display(),
                    list.pairs.len()
                ));
            }
            list.pairs
        }
    };
    if pairs.is_empty() {
        return bad(path, "lists no pair");
    }
    let same: Vec<bool> = pairs.iter().map(|p| p.same).collect();
    let order = match by_class(&same) && pairs.iter().all(|p| p.fold.is_none()) {
        false => (0..pairs.len()).collect(),
        true => {
            findings.say(format!(
                "{} is ordered by class, so that its blocks would be folds of one kind of pair: \
                 genuine and impostor pairs are taken in turns",
                path.display()
            ));
            in_turns(&same)
        }
    };
    Ok(Listed {
        pairs,
        order,
        findings,
    })
}

impl Listed {
    /// Pairs that are taken in this order.
    pub(super) fn in_order(pairs: Vec<ListedPair>, findings: Findings) -> Listed {
        Listed {
            order: (0..pairs.len()).collect(),
            pairs,
            findings,
        }
    }

    /// The pairs in the order in which they are taken.
    pub fn taken(&self) -> impl Iterator<Item = &ListedPair> + Clone {
        self.order.iter().map(|&k| &self.pairs[k])
    }

    /// What protocols see of them: `number` gives the two of `images` images that a pair names, none
    /// where one of them could not be used.
    ///
    /// # Errors
    /// Folds or groups that are stated of some pairs alone, folds that do not begin at 0 or 1, and
    /// what `number` refuses.
    pub fn data(
        &self,
        path: &Path,
        images: usize,
        mut number: impl FnMut(&ListedPair) -> Result<Option<(u32, u32)>>,
    ) -> Result<PairData> {
        Ok(PairData {
            images,
            pairs: self.taken().map(&mut number).collect::<Result<_>>()?,
            same: self.taken().map(|pair| pair.same).collect(),
            folds: folds(path, self.taken())?,
            identities: people(self.taken()),
            groups: groups(path, self.taken())?,
        })
    }
}

/// Whether all genuine pairs come before all impostor pairs, or after them.
pub(crate) fn by_class(same: &[bool]) -> bool {
    let changes = same.windows(2).filter(|w| w[0] != w[1]).count();
    changes == 1 && same.len() > 2
}

/// An order in which genuine and impostor pairs are spread evenly, each in theirs: any number of
/// contiguous folds holds the same shares of both.
pub(crate) fn in_turns(same: &[bool]) -> Vec<usize> {
    let genuine = same.iter().filter(|s| **s).count().max(1);
    let impostor = (same.len() - genuine.min(same.len())).max(1);
    // Pair k of n stands at (k + 1/2) / n of the list, genuine first where both stand alike.
    let mut seen = [0usize; 2];
    let mut placed: Vec<(u128, bool, usize)> = Vec::with_capacity(same.len());
    for (i, &same) in same.iter().enumerate() {
        let k = &mut seen[usize::from(same)];
        let others = if same { impostor } else { genuine };
        placed.push(((2 * *k + 1) as u128 * others as u128, !same, i));
        *k += 1;
    }
    placed.sort_unstable();
    placed.into_iter().map(|p| p.2).collect()
}

/// Folds, if they are stated; then of every pair, numbered from 0 or from 1.
fn folds<'a>(
    path: &Path,
    listed: impl Iterator<Item = &'a ListedPair> + Clone,
) -> Result<Option<Vec<u32>>> {
    let stated = || listed.clone().filter_map(|p| p.fold);
    let Some(first) = stated().min() else {
        return Ok(None);
    };
    if let Some(pair) = listed.clone().find(|p| p.fold.is_none()) {
        let what = format!("{} states no fold, though other pairs do", pair.place);
        return bad(path, what);
    }
    if first > 1 {
        return bad(
            path,
            format!("folds are numbered from {first}, want 0 or 1"),
        );
    }
    Ok(Some(stated().map(|f| f - first).collect()))
}

/// The groups of pairs, if they are stated; then of every pair.
fn groups<'a>(
    path: &Path,
    listed: impl Iterator<Item = &'a ListedPair> + Clone,
) -> Result<Option<PairGroups>> {
    if listed.clone().all(|p| p.group.is_none()) {
        return Ok(None);
    }
    let name = |pair: &'a ListedPair| match &pair.group {
        Some(name) => Ok(name),
        None => bad(
            path,
            format!("{} states no group, though other pairs do", pair.place),
        ),
    };
    let names = listed.map(name).collect::<Result<Vec<&String>>>()?;
    Ok(Some(named_groups(names.into_iter())))
}

/// Groups by the name of that of each pair, in the order in which pairs name them.
pub(super) fn named_groups<'a>(of_pairs: impl Iterator<Item = &'a String>) -> PairGroups {
    let mut numbers = Numbers::default();
    let mut groups = PairGroups::default();
    for name in of_pairs {
        let number = numbers.of(name);
        if number as usize == groups.names.len() {
            groups.names.push(name.clone());
        }
        groups.of.push(number);
    }
    groups
}

/// Numbers for names, in the order in which they are first asked for.
pub(super) struct Numbers<'a, T>(BTreeMap<&'a T, u32>);

impl<T> Default for Numbers<'_, T> {
    fn default() -> Self {
        Numbers(BTreeMap::new())
    }
}

impl<'a, T: Ord> Numbers<'a, T> {
    pub(super) fn of(&mut self, name: &'a T) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry(name).or_insert(next)
    }
}

/// The people of each pair where the list names them and they agree with its labels.
fn people<'a>(listed: impl Iterator<Item = &'a ListedPair>) -> Option<Vec<(u32, u32)>> {
    let mut numbers = Numbers::default();
    listed
        .map(|pair| {
            let (a, b) = pair.people.as_ref()?;
            ((a == b) == pair.same).then(|| (numbers.of(a), numbers.of(b)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::UNWATCHED;

    #[test]
    fn pairs_in_turns_give_every_fold_its_share() {
        let same: Vec<bool> = (0..60).map(|k| k < 30).collect();
        assert!(by_class(&same));
        let order = in_turns(&same);
        for fold in order.chunks(6) {
            assert_eq!(fold.iter().filter(|&&k| same[k]).count(), 3);
        }
        let genuine: Vec<usize> = order.iter().copied().filter(|&k| same[k]).collect();
        assert!(genuine.is_sorted());
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, (0..60).collect::<Vec<_>>());
        // Twice as many of one kind: two in every three.
        let same: Vec<bool> = (0..30).map(|k| k < 20).collect();
        for fold in in_turns(&same).chunks(6) {
            assert_eq!(fold.iter().filter(|&&k| same[k]).count(), 4);
        }
    }

    #[test]
    fn folds_people_and_groups_are_read_in_the_order_taken() {
        let dir = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            let listed = read_listed(&path, UNWATCHED)?;
            let data = listed.data(&path, 9, |_| Ok(Some((0, 1))))?;
            Ok((data, listed.findings.notes()))
        };
        let (data, notes) = read(
            "a.csv",
            "first,second,same,fold,group,age\na,b,1,1,x,3\nc,d,0,2,y,4\n",
        )
        .unwrap();
        assert_eq!(data.folds, Some(vec![0, 1]));
        let groups = data.groups.unwrap();
        assert_eq!(
            (groups.names, groups.of),
            (vec!["x".into(), "y".into()], vec![0, 1])
        );
        assert!(
            notes[0].contains("not read are the columns age"),
            "{notes:?}"
        );
        let (data, notes) = read("a.txt", "1 2\nA 1 2\nA 1 3\nA 1 B 1\nB 2 C 1\n").unwrap();
        assert_eq!(data.same, [true, false, true, false]);
        assert_eq!(data.identities, Some(vec![(0, 0), (0, 1), (0, 0), (1, 2)]));
        assert!(notes.iter().any(|n| n.contains("in turns")), "{notes:?}");
        let refused = |text: &str| -> String {
            let found: Result<_> = read("b.csv", text);
            found.unwrap_err().to_string()
        };
        assert!(refused("first,second,same\n").contains("lists no pair"));
        let said = refused("first,second,same,fold\na,b,1,1\nc,d,0,\n");
        assert!(said.contains("line 3 states no fold"), "{said}");
    }
}
