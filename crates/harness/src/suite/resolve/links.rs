//! Which rows build on which: a student on its teacher, a training on the network that chose
//! its images.

use super::names::Names;
use super::*;
use crate::suite::model;
use crate::suite::source::At;

/// The rows of each entry, by number.
type ByEntry = BTreeMap<String, Vec<usize>>;

/// What an entry states about other entries.
pub(super) struct Stated<'a> {
    pub teacher: Option<&'a At<String>>,
    pub start: Option<At<String>>,
    pub keep: Option<model::Keep>,
}

/// Finds the rows that rows build on; `stated` is what the entry of each row states.
pub(super) fn connect(
    names: &Names,
    profile: &Profile,
    rows: &mut [Row],
    stated: &[Stated],
) -> Result<()> {
    let mut of = ByEntry::new();
    for (i, row) in rows.iter().enumerate() {
        of.entry(row.entry.clone()).or_default().push(i);
    }
    let of = &of;
    for (i, stated) in stated.iter().enumerate() {
        let taught = rows[i].trained().is_some_and(|t| t.needs.teacher);
        if let Some(id) = stated.teacher.filter(|_| taught) {
            let teacher = only(names, profile, (rows, of), i, ("teacher", id))?;
            if let Some(why) = no_teacher(&rows[i], &rows[teacher]) {
                let message = format!("`{}` cannot teach `{}`: {why}", id.value, rows[i].entry);
                return Err(names.source().error(&id.span, message));
            }
            rows[i].teacher = Some(teacher);
        }
    }
    for i in 0..rows.len() {
        if let Some(keep) = &stated[i].keep {
            rows[i].keep = Some(Keep {
                by: judge(names, profile, (rows, of), i, keep, stated)?,
                degrees: keep.degrees,
            });
        }
        if let Some(id) = &stated[i].start {
            let start = only(names, profile, (rows, of), i, ("start", id))?;
            if let Some(why) = no_start(&rows[i], &rows[start]) {
                let message = format!(
                    "`{}` cannot start from `{}`: {why}",
                    rows[i].entry, id.value
                );
                return Err(names.source().error(&id.span, message));
            }
            rows[i].start = Some(start);
        }
    }
    for (i, stated) in stated.iter().enumerate() {
        if let Some(id) = &stated.start
            && builds_on_itself(rows, i)
        {
            let message = format!(
                "`{}` starts from `{}`, which builds on it",
                rows[i].entry, id.value
            );
            return Err(names.source().error(&id.span, message));
        }
    }
    Ok(())
}

/// Whether what a row builds on builds on it.
fn builds_on_itself(rows: &[Row], row: usize) -> bool {
    let below = |i: usize| {
        let keep = rows[i].keep.as_ref().map(|keep| keep.by);
        [rows[i].teacher, rows[i].start, keep].into_iter().flatten()
    };
    let mut open: Vec<usize> = below(row).collect();
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        if next == row {
            return true;
        }
        if seen.insert(next) {
            open.extend(below(next));
        }
    }
    false
}

/// Why a training cannot start from the weights of another row.
fn no_start(row: &Row, start: &Row) -> Option<String> {
    let state = |row: &Row| {
        let graph = frbench_methods::backbone::build(&row.backbone, row.input.size);
        graph.map(|graph| graph.state())
    };
    match (state(row), state(start)) {
        // What is wrong with the network of the row itself is said where it stands.
        (Err(_), _) => return None,
        (_, Err(_)) => {
            return Some(
                "its layers are those of its own file; a training starts from PyTorch or \
                 safetensors files of a known architecture"
                    .into(),
            );
        }
        (Ok(ours), Ok(theirs)) => {
            if row.backbone.name != start.backbone.name {
                return Some(format!(
                    "that is a `{}`, this a `{}`",
                    start.backbone.name, row.backbone.name
                ));
            }
            if let Some(why) = other_state(&ours, &theirs) {
                return Some(why);
            }
        }
    }
    (!row.input.is_compatible(&start.input)).then(|| {
        format!(
            "it sees {}, and this training {}",
            said(&start.input),
            said(&row.input)
        )
    })
}

/// What of the state of a network `theirs` does not have as `ours`, by name.
fn other_state(ours: &[(String, Vec<usize>)], theirs: &[(String, Vec<usize>)]) -> Option<String> {
    let shape = |state: &[(String, Vec<usize>)], name: &str| {
        let found = state.iter().find(|(known, _)| known == name);
        found.map(|(_, shape)| shape.clone())
    };
    let names = ours.iter().chain(theirs).map(|(name, _)| name);
    names
        .map(|name| (name, shape(ours, name), shape(theirs, name)))
        .find(|(_, is, its)| is != its)
        .map(|(name, is, its)| match (is, its) {
            (Some(is), Some(its)) => format!("its `{name}` is {its:?}, here it is {is:?}"),
            (Some(is), None) => format!("it has no `{name}`, here it is {is:?}"),
            (None, its) => format!(
                "its `{name}` is {:?}, and this network has none",
                its.unwrap_or_default()
            ),
        })
}

/// An input as a suite states it.
fn said(input: &InputSpec) -> String {
    let color = input.color.name();
    let InputSpec {
        size, mean, std, ..
    } = input;
    format!("size = {size}, color = \"{color}\", mean = {mean}, std = {std}")
}

/// Why a network cannot teach what the method of a student wants to know of it.
fn no_teacher(student: &Row, teacher: &Row) -> Option<String> {
    let trained = student.trained()?;
    let needs = &trained.needs;
    let its_head = teacher.trained().and_then(|t| t.head.as_ref());
    if needs.teacher_classifier() && its_head.is_none() {
        let why = match &teacher.model {
            ModelSource::Trained(_) => "it is trained without a head",
            ModelSource::File(_) => "a network from a file has none",
        };
        return Some(format!("its classifier is looked at, and {why}"));
    }
    if let Some(its) = teacher.trained()
        && needs.teacher_classifier()
        && its.data != trained.data
    {
        return Some(format!(
            "its classifier is looked at, so both have to know the same classes; it is trained \
             on `{}`, the student on `{}`",
            its.data.name, trained.data.name
        ));
    }
    if needs.teacher_classes {
        if teacher.backbone.embedding != student.backbone.embedding {
            return Some(format!(
                "its class weights become the student's, so embeddings have to be of one size; its \
                 are of {}, the student's of {}",
                teacher.backbone.embedding, student.backbone.embedding
            ));
        }
        let head = its_head.map(frbench_methods::head::build);
        if let Some(Ok(head)) = head
            && head.rows_per_class() != 1
        {
            return Some(format!(
                "its class weights become the student's, and its head `{}` has {} centres of each \
                 class",
                head.name(),
                head.rows_per_class()
            ));
        }
    }
    if needs.input_gradients && !student.input.is_compatible(&teacher.input) {
        return Some(format!(
            "input gradients are compared, so both have to see the same input; it sees {}, the \
             student {}",
            said(&teacher.input),
            said(&student.input)
        ));
    }
    None
}

/// The one row of the entry `id`, which is to be the `what` of row `of`.
fn only(
    names: &Names,
    profile: &Profile,
    (rows, by_entry): (&[Row], &ByEntry),
    of: usize,
    (what, id): (&str, &At<String>),
) -> Result<usize> {
    names.entry(what, id)?;
    let own = by_entry.get(&id.value).into_iter().flatten().copied();
    let mut found = own.filter(|&j| rows[j].shares_condition(&rows[of]));
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(names.source().error(
            &profile.id.span,
            format_args!(
                "profile `{}` runs `{}` but not its {what} `{}`; add it to `entries`",
                profile.id.value, rows[of].entry, id.value
            ),
        )),
        _ => Err(names.source().error(
            &id.span,
            format_args!(
                "`{}` has a matrix and is several networks; a {what} is one",
                id.value
            ),
        )),
    }
}

/// The row whose network chooses the images of row `of`. It has class weights to hold images
/// against, has seen all of them, and builds on no other row, so that nothing goes in circles.
fn judge(
    names: &Names,
    profile: &Profile,
    (rows, by_entry): (&[Row], &ByEntry),
    of: usize,
    keep: &model::Keep,
    stated: &[Stated],
) -> Result<usize> {
    let by = only(names, profile, (rows, by_entry), of, ("judge", &keep.by))?;
    let own = |row: usize| rows[row].trained().map(|t| &t.data);
    let set = |row: usize| own(row).map_or("", |data| data.name.as_str());
    let has_head = |t: &Trained| t.head.is_some();
    let wrong = if rows[by].trained().is_none() {
        "comes from a file, which has no centres of classes".to_string()
    } else if !rows[by].trained().is_some_and(has_head) {
        "is trained without a head, so its classes have no centres".to_string()
    } else if rows[by].teacher.is_some() || stated[by].keep.is_some() {
        "itself builds on another entry; images are kept by a network that stands alone".to_string()
    } else if own(by) != own(of) {
        format!(
            "is trained on `{}`, and `{}` on `{}`; images are kept of one set",
            set(by),
            rows[of].entry,
            set(of)
        )
    } else {
        return Ok(by);
    };
    let message = format!("`{}` {wrong}", keep.by.value);
    Err(names.source().error(&keep.by.span, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_compared_by_name_whatever_their_lengths() {
        let state = |parts: &[(&str, usize)]| -> Vec<(String, Vec<usize>)> {
            let own = parts.iter();
            own.map(|(name, n)| (name.to_string(), vec![*n])).collect()
        };
        let short = state(&[("a", 1), ("b", 2)]);
        let why = |theirs: &[(&str, usize)]| other_state(&short, &state(theirs));
        assert_eq!(why(&[("b", 2), ("a", 1)]), None);
        assert_eq!(
            why(&[("a", 1), ("b", 3)]).unwrap(),
            "its `b` is [3], here it is [2]"
        );
        assert_eq!(why(&[("a", 1)]).unwrap(), "it has no `b`, here it is [2]");
        assert_eq!(
            why(&[("a", 1), ("b", 2), ("c", 3)]).unwrap(),
            "its `c` is [3], and this network has none"
        );
    }
}
