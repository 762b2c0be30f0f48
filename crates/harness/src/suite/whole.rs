//! A suite in one piece: what profiles take from each other and from recipes is put in its place.

use super::recipes::{self, Recipes};
use super::source::{At, Source};
use super::tree::{self, Node, Table, Value};
use super::{check, write};
use frbench_base::Result;

/// A suite that takes nothing from elsewhere.
pub struct Whole {
    pub(super) root: Node,
    /// The recipes that its profiles have taken.
    pub taken: Vec<Taken>,
}

/// A profile, the recipe that it has taken, and the file that this stands in.
pub struct Taken {
    pub profile: String,
    pub recipe: String,
    pub file: String,
}

/// Reads and checks a suite and puts it together.
///
/// # Errors
/// What does not fit the grammar; a profile or a recipe that is not there; profiles that extend
/// each other in more than one step.
pub fn whole(source: &Source) -> Result<Whole> {
    let mut root = tree::parse(source)?;
    check::check(source, &root)?;
    let profiles = root.get("profile").map_or(&[][..], Node::table);
    let based = profiles.iter().any(|(_, p)| p.get("base").is_some());
    let recipes = match based {
        true => Recipes::read(source)?,
        false => Recipes::default(),
    };
    let mut taken = Vec::new();
    let mut out = Table::new();
    for (id, node) in profiles {
        let mut node = match extended(source, profiles, id, node)? {
            Some(base) => merge(base, node),
            None => node.clone(),
        };
        if let Some(wanted) = name(&node, "base") {
            let recipe = recipes.find(source, &wanted)?;
            taken.push(Taken {
                profile: id.value.clone(),
                recipe: wanted.value,
                file: source.place(recipe.span.start).0.name.clone(),
            });
            node = merge(recipe, &node);
        }
        if let Value::Table(pairs) = &mut node.value {
            pairs.retain(|(key, _)| !matches!(key.as_str(), "base" | "extends"));
        }
        out.push((id.clone(), node));
    }
    set(&mut root, "profile", out);
    if based {
        let own = root.get("protocol").map_or(&[][..], Node::table);
        let mut protocols = own.to_vec();
        recipes::add(&mut protocols, &recipes.protocols);
        set(&mut root, "protocol", protocols);
    }
    Ok(Whole { root, taken })
}

impl Whole {
    /// The suite as a file that says the same by itself.
    pub fn text(&self) -> String {
        write::suite(&self.root)
    }
}

/// The table `key` of a suite, instead of what is there.
fn set(root: &mut Node, key: &str, table: Table) {
    let span = root.span.clone();
    if let Value::Table(pairs) = &mut root.value {
        match pairs.iter_mut().find(|(k, _)| k.value == key) {
            Some((_, old)) => old.value = Value::Table(table),
            None => {
                let value = Value::Table(table);
                let key = At::new(key.to_string(), span.clone());
                pairs.push((key, Node { span, value }));
            }
        }
    }
}

fn name(node: &Node, key: &str) -> Option<At<String>> {
    let value = node.get(key)?;
    Some(At::new(value.as_text()?.to_string(), value.span.clone()))
}

/// The profile that `id` extends. One step is allowed: what a profile runs is not to be looked for
/// in many places.
fn extended<'a>(
    source: &Source,
    nodes: &'a [(At<String>, Node)],
    id: &At<String>,
    node: &Node,
) -> Result<Option<&'a Node>> {
    let Some(wanted) = name(node, "extends") else {
        return Ok(None);
    };
    let find = |name: &str| nodes.iter().find(|(k, _)| k.value == name);
    let Some((_, base)) = find(&wanted) else {
        let known = nodes.iter().map(|(k, _)| k.value.as_str());
        return Err(source.error(
            &wanted.span,
            format_args!(
                "unknown profile `{}`; {}",
                wanted.value,
                check::suggest(&wanted, known)
            ),
        ));
    };
    let mut chain = vec![id.value.clone()];
    let mut next = Some(wanted.clone());
    while let Some(name) = next {
        let seen = chain.contains(&name.value);
        chain.push(name.value.clone());
        if seen {
            return Err(source.error(
                &wanted.span,
                format_args!(
                    "profiles extend each other in a circle: {}",
                    chain.join(" -> ")
                ),
            ));
        }
        next = find(&name).and_then(|(_, n)| self::name(n, "extends"));
    }
    if chain.len() > 2 {
        return Err(source.error(
            &wanted.span,
            format_args!(
                "`{}` extends a profile that extends another ({}); extend `{}`, or state it in full",
                id.value,
                chain.join(" -> "),
                chain[chain.len() - 1]
            ),
        ));
    }
    Ok(Some(base))
}

/// `node` over `base`: keys replace keys; in the named tables, names replace names.
fn merge(base: &Node, node: &Node) -> Node {
    let mut out: Table = base.table().to_vec();
    for (key, value) in node.table() {
        let by_name = matches!(key.as_str(), "network" | "training" | "override");
        match out.iter_mut().find(|(k, _)| k.value == key.value) {
            Some((_, old)) if by_name => {
                let mut names: Table = old.table().to_vec();
                for (name, table) in value.table() {
                    names.retain(|(n, _)| n.value != name.value);
                    names.push((name.clone(), table.clone()));
                }
                old.value = Value::Table(names);
            }
            Some(slot) => *slot = (key.clone(), value.clone()),
            None => out.push((key.clone(), value.clone())),
        }
    }
    Node {
        span: node.span.clone(),
        value: Value::Table(out),
    }
}
