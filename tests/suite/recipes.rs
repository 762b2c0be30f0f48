//! Recipes: what a profile takes from them, and a suite with all of it in its place.

use crate::tiny::{TINY, open, resolved, tiny};
use frbench::embedded;
use frbench::suite::source::Source;
use frbench::suite::{Suite, parse, resolve, validate, whole};

/// Where the networks and recipes of the profile `demo` begin and end.
const CUT: [&str; 2] = ["[profile.demo.network.large]", "[profile.quick]"];

/// `tiny.toml` without its networks, trainings and protocols.
pub fn suite() -> String {
    let (head, rest) = TINY.split_once(CUT[0]).unwrap();
    let (_, tail) = rest.split_once(CUT[1]).unwrap();
    let (head, rest) = head.split_once("[protocol.ten-fold]").unwrap();
    let (_, profile) = rest.split_once("[profile.demo]").unwrap();
    format!(
        "{head}[profile.demo]\nbase = \"house\"{profile}{}{tail}",
        CUT[1]
    )
}

/// Its protocols, and its networks and trainings as those of a recipe.
fn recipes_of_house() -> (&'static str, String) {
    let (_, rest) = TINY.split_once(CUT[0]).unwrap();
    let (tables, _) = rest.split_once(CUT[1]).unwrap();
    let (_, rest) = TINY.split_once("[protocol.ten-fold]").unwrap();
    let (protocols, _) = rest.split_once("[profile.demo]").unwrap();
    let tables = format!("{}{tables}", CUT[0]);
    (
        protocols,
        tables.replace("[profile.demo.", "[recipe.house."),
    )
}

/// A file of recipes that has them, and more that nothing uses.
pub fn recipes() -> String {
    let (protocols, tables) = recipes_of_house();
    format!(
        "schema = 1\n\n[protocol.ten-fold]{protocols}{tables}\
         [protocol.unused]\nkind = {{ name = \"no-such-protocol\" }}\n\n\
         [recipe.house.network.unused]\nbackbone = {{ name = \"no-such-network\" }}\n\
         embedding = 8\ninput = {{ size = 32, color = \"rgb\", mean = 0.5, std = 0.5 }}\n\n\
         [recipe.unused]\ntrain-data = \"no-such-data\"\n"
    )
}

/// The suite of this text with files of recipes beside it and in the program.
pub fn source(suite: &str, recipes: &[(&str, &str)]) -> Source {
    let files = recipes.iter().map(|(name, text)| Source::new(*name, *text));
    Source::new("house.toml", suite).with_recipes(files.collect())
}

fn read(suite: &str, recipes: &str) -> Suite {
    let suite = parse(source(suite, &[("recipes.toml", recipes)])).unwrap();
    validate(&suite, &embedded::catalogue(None).unwrap()).unwrap();
    suite
}

#[test]
fn a_base_is_as_if_its_tables_stood_in_the_profile() {
    let suite = read(&suite(), &recipes());
    assert_eq!(open(&suite, "demo"), tiny());
    // A profile that extends another has what that one took.
    assert_eq!(open(&suite, "quick"), resolved(TINY, "quick"));
}

#[test]
fn a_base_replaces_that_of_the_profile_that_is_extended() {
    let own = suite().replace("extends = \"demo\"", "extends = \"demo\"\nbase = \"wide\"");
    let (_, house) = recipes_of_house();
    let wide = house
        .replace(".house.", ".wide.")
        .replace("width = 0.25", "width = 0.5");
    let suite = read(&own, &(recipes() + "\n" + &wide));
    let width = |profile: &str| open(&suite, profile).rows[0].backbone.params["width"].clone();
    assert_eq!((width("demo"), width("quick")), (0.25.into(), 0.5.into()));
}

#[test]
fn what_a_profile_states_replaces_whole_tables() {
    let own = "[profile.demo.training.long]\nsteps = 30\nbatch = 16\nlr = 0.1\n\
               decay = { kind = \"constant\" }\nmomentum = 0.0\nweight-decay = 0.0\nflip = false\n\n";
    let text = suite().replace("[profile.quick]", &format!("{own}[profile.quick]"));
    let with_seeds = recipes().replace(
        "[recipe.unused]",
        "[recipe.house]\nseeds = [9]\n[recipe.unused]",
    );
    let replaced = open(&read(&text, &with_seeds), "demo");
    let (first, _) = own.split_once('\n').unwrap();
    let (head, rest) = TINY.split_once(first).unwrap();
    let (_, tail) = rest.split_once("\n\n").unwrap();
    assert_eq!(replaced, resolved(&format!("{head}{own}{tail}"), "demo"));
    // Seeds that the profile leaves out are those of the recipe.
    let open = open(
        &read(&suite().replace("seeds = [1, 2]\n", ""), &with_seeds),
        "demo",
    );
    let student = open.rows.iter().find(|r| r.id == "student").unwrap();
    assert_eq!(student.seeds, [9]);
    // So is a protocol that the suite has itself its own.
    let own =
        "[protocol.search]\nkind = { name = \"identification\", ranks = [1, 5] }\n\n[profile.demo]";
    let suite = read(
        &suite().replace("[profile.demo]\n", &format!("{own}\n")),
        &recipes(),
    );
    let ranks = |suite: &Suite| {
        let resolved = resolve(suite, "demo", &embedded::catalogue(None).unwrap()).unwrap();
        resolved.columns[1].spec.params["ranks"].to_string()
    };
    assert_eq!(ranks(&suite), "[1,5]");
}

#[test]
fn of_two_files_the_first_that_has_a_recipe_counts() {
    let other = recipes().replace("width = 0.25", "width = 0.5");
    let without = "schema = 1\n[recipe.other]\nseeds = [4]\n";
    let of = |files: &[(&str, &str)]| open(&parse(source(&suite(), files)).unwrap(), "demo");
    let wide = of(&[("a.toml", &other), ("b.toml", &recipes())]);
    assert_eq!(wide.rows[0].backbone.params["width"], 0.5);
    assert_eq!(of(&[("a.toml", without), ("b.toml", &recipes())]), tiny());
    let whole = whole(&source(
        &suite(),
        &[("a.toml", without), ("b.toml", &recipes())],
    ))
    .unwrap();
    let taken: Vec<_> = whole
        .taken
        .iter()
        .map(|t| (&*t.profile, &*t.recipe, &*t.file))
        .collect();
    assert_eq!(
        taken,
        [("demo", "house", "b.toml"), ("quick", "house", "b.toml")]
    );
}

#[test]
fn without_a_base_no_recipes_are_read() {
    let suite = parse(source(TINY, &[("recipes.toml", "no = TOML = at all")])).unwrap();
    assert_eq!(open(&suite, "demo"), tiny());
    let text = TINY.replace("protocol = \"ten-fold\"", "protocol = \"unused\"");
    let error = parse(source(&text, &[("recipes.toml", &recipes())]))
        .and_then(|suite| validate(&suite, &embedded::catalogue(None).unwrap()))
        .unwrap_err();
    assert!(
        error.to_string().contains("no protocol `unused`"),
        "{error}"
    );
}

/// Every profile of the suite, read again from the text that it says by itself. A plan is a function
/// of what is compared here.
fn comes_back(source: &Source) {
    let known = embedded::catalogue(None).unwrap();
    let text = whole(source).unwrap().text();
    let (before, after) = (
        parse(source.clone()).unwrap(),
        parse(Source::new("again.toml", text.as_str())).unwrap(),
    );
    assert_eq!(before.profiles.len(), after.profiles.len());
    for profile in &before.profiles {
        let of = |suite: &Suite| resolve(suite, &profile.id, &known).unwrap();
        let name = &profile.id.value;
        assert_eq!(of(&before), of(&after), "{} {name}", source.name);
    }
    // What takes nothing any more is left as it is.
    let again = whole(&Source::new("again.toml", text.as_str())).unwrap();
    assert!(again.taken.is_empty());
    assert_eq!(again.text(), text);
}

#[test]
fn every_suite_in_one_piece_has_the_plan_that_it_has_with_recipes() {
    for (name, text) in embedded::SUITES {
        comes_back(&embedded::source(*name, *text));
    }
    comes_back(&source(&suite(), &[("recipes.toml", &recipes())]));
}

#[test]
fn whatever_a_suite_says_comes_back() {
    let odd = TINY
        .replace("analysis = \"Nothing follows", "analysis = \"\"\"\n a \\\\ b\t\\\"\"\" ''' \\u00e9\n\nNothing follows")
        .replace("from it.\"", "from it.\n\"\"\"")
        .replace("label = \"FCD\"", "label = 'F \"C\" \\D'")
        .replace("matrix = { k = [5, 10, 20] }", "matrix = { q = [1e-7, 0.3, 1.0], k = [5, 1_0] }")
        .replace("weight-decay = 5e-4", "weight-decay = 4.9e-324")
        .replace(
            "[profile.quick]",
            "[profile.demo.override.\"*\"]\nseeds = [3]\n\n[profile.\"a.b c\"]\nextends = \"demo\"\n\n[profile.quick]",
        );
    assert_eq!(odd.matches("4.9e-324").count(), 2);
    let source = Source::new("odd.toml", odd.as_str());
    comes_back(&source);
    let ids: Vec<String> = resolved(&odd, "demo")
        .rows
        .into_iter()
        .map(|r| r.info.id)
        .collect();
    assert!(
        ids.contains(&"neighbours:q=1e-7,k=5".to_string()),
        "{ids:?}"
    );
}
