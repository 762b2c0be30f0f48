//! What a source in Rust says.
//!
//! A source says its tokens, as the compiler sees them. Left out are comments, documentation,
//! attributes for lints and items for tests. So are declarations of modules, whose files count
//! themselves. So are tables of entries ([`TABLE`]), and texts that describe an entry ([`WORDS`]).
//! What a formatter adds, takes away or sorts has one form: `use`, braces around one expression,
//! commas and semicolons at an end.

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};
use std::iter::Peekable;
use std::vec::IntoIter;

/// The macro whose calls are tables of what can be named: a new line in one changes nothing of
/// the others.
pub const TABLE: &str = "entries";
/// Fields whose texts are documentation, and in capital letters constants.
pub const WORDS: [&str; 3] = ["summary", "source", "doc"];
const LINTS: [&str; 5] = ["doc", "allow", "expect", "warn", "deny"];

/// A source, read.
pub struct Source {
    /// Its tokens in one form, one space between each two.
    pub says: String,
    /// Files of modules that are for tests alone, from the folder of the source.
    pub tests: Vec<String>,
}

/// Reads a source.
///
/// # Errors
/// What is not Rust.
pub fn read(text: &str) -> Result<Source, String> {
    let stream: TokenStream = text.parse().map_err(|e| format!("{e}"))?;
    let mut reader = Reader::default();
    let tokens = reader.tokens(stream);
    Ok(Source {
        says: tokens.join(" "),
        tests: reader.tests,
    })
}

type Tokens = Peekable<IntoIter<TokenTree>>;

#[derive(Default)]
struct Reader {
    tests: Vec<String>,
}

impl Reader {
    fn tokens(&mut self, stream: TokenStream) -> Vec<String> {
        let mut rest: Tokens = stream
            .into_iter()
            .collect::<Vec<_>>()
            .into_iter()
            .peekable();
        let mut out: Vec<String> = Vec::new();
        // Those `use` that stand together, which a formatter sorts.
        let mut uses: Vec<String> = Vec::new();
        while let Some(token) = rest.next() {
            if self.silent(&token, &mut rest) {
                continue;
            }
            if let Some(paths) = imports(&token, &mut rest) {
                uses.extend(paths);
                continue;
            }
            uses.sort();
            out.append(&mut uses);
            match token {
                TokenTree::Group(group) => self.group(&group, &mut out, &mut rest),
                TokenTree::Punct(p) => {
                    if p.as_char() == '>' {
                        drop_last(&mut out, ",");
                    }
                    out.push(p.as_char().to_string());
                }
                other => out.push(other.to_string()),
            }
        }
        uses.sort();
        out.append(&mut uses);
        out
    }

    fn group(&mut self, group: &Group, out: &mut Vec<String>, rest: &mut Tokens) {
        let mut inner = self.tokens(group.stream());
        drop_last(&mut inner, ",");
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
            Delimiter::Brace => {
                drop_last(&mut inner, ";");
                drop_last(out, ",");
                let arm = out.ends_with(&["=".to_string(), ">".to_string()]);
                let ends = |t: &TokenTree| is_punct(t, ',') || is_punct(t, ';');
                let closure = out.last().is_some_and(|t| t == "|") && rest.peek().is_none_or(ends);
                if arm || closure {
                    out.append(&mut inner);
                    if arm {
                        out.push(",".into());
                        rest.next_if(|t| is_punct(t, ','));
                    }
                    return;
                }
                ("{", "}")
            }
        };
        out.push(open.into());
        out.append(&mut inner);
        out.push(close.into());
    }

    /// Whether nothing that begins here computes; it is read over.
    fn silent(&mut self, token: &TokenTree, rest: &mut Tokens) -> bool {
        self.attribute(token, rest)
            || module(token, rest).is_some()
            || table(token, rest)
            || words(token, rest)
    }

    /// Reads over an attribute that says nothing, and what belongs to one for tests.
    fn attribute(&mut self, token: &TokenTree, rest: &mut Tokens) -> bool {
        if !is_punct(token, '#') {
            return false;
        }
        let mut ahead = rest.clone();
        ahead.next_if(|t| is_punct(t, '!'));
        let Some(TokenTree::Group(group)) = ahead.next() else {
            return false;
        };
        let text = group.stream().to_string().replace(' ', "");
        let name = text
            .split(|c: char| !c.is_alphanumeric() && c != '_')
            .next();
        let for_tests = text == "cfg(test)" || text.starts_with("cfg(all(test,");
        if !for_tests && !name.is_some_and(|n| LINTS.contains(&n)) {
            return false;
        }
        *rest = ahead;
        if for_tests {
            self.for_tests(rest);
        }
        true
    }

    /// Reads over what follows `#[cfg(test)]`.
    fn for_tests(&mut self, rest: &mut Tokens) {
        let mut path = None;
        while rest.next_if(|t| is_punct(t, '#')).is_some() {
            rest.next_if(|t| is_punct(t, '!'));
            if let Some(TokenTree::Group(group)) = rest.next() {
                path = path.or(stated_path(&group));
            }
        }
        let Some(first) = rest.next() else {
            return;
        };
        if let Some(name) = module(&first, rest) {
            self.tests
                .push(path.unwrap_or_else(|| format!("{name}.rs")));
            self.tests.push(format!("{name}/mod.rs"));
            return;
        }
        // An item ends with its body, or with a semicolon; a field, a variant or an arm with a
        // comma.
        let mut kind = String::new();
        let mut next = Some(first);
        while let Some(token) = next {
            match &token {
                TokenTree::Ident(word) if kind.is_empty() => {
                    let word = word.to_string();
                    let of_function =
                        |t: &TokenTree| ["fn", "unsafe", "extern"].iter().any(|w| is_word(t, w));
                    let constant = word == "const" && !rest.peek().is_some_and(of_function);
                    let qualifies = ["pub", "unsafe", "async", "const"].contains(&word.as_str());
                    if constant || !qualifies {
                        kind = word;
                    }
                }
                TokenTree::Group(g) if g.delimiter() == Delimiter::Brace && !has_end(&kind) => {
                    rest.next_if(|t| is_punct(t, ','));
                    return;
                }
                t if is_punct(t, ';') => return,
                t if is_punct(t, ',') && !is_item(&kind) => return,
                _ => {}
            }
            next = rest.next();
        }
    }
}

/// Whether such an item ends with a semicolon, whatever braces are in it.
fn has_end(item: &str) -> bool {
    matches!(item, "use" | "const" | "static" | "type" | "let")
}

fn is_item(word: &str) -> bool {
    const ITEMS: [&str; 12] = [
        "mod",
        "use",
        "fn",
        "impl",
        "struct",
        "enum",
        "const",
        "static",
        "type",
        "trait",
        "let",
        "macro_rules",
    ];
    ITEMS.contains(&word)
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == c)
}

fn is_word(token: &TokenTree, text: &str) -> bool {
    matches!(token, TokenTree::Ident(word) if word == text)
}

fn drop_last(out: &mut Vec<String>, text: &str) {
    if out.last().is_some_and(|t| t == text) {
        out.pop();
    }
}

/// The file of `path = "..."`.
fn stated_path(attribute: &Group) -> Option<String> {
    let mut tokens = attribute.stream().into_iter();
    let (name, _, value) = (tokens.next()?, tokens.next()?, tokens.next()?);
    is_word(&name, "path").then(|| value.to_string().trim_matches('"').to_string())
}

/// Reads over `mod name;`, which may be public.
fn module(token: &TokenTree, rest: &mut Tokens) -> Option<String> {
    if !is_word(token, "pub") && !is_word(token, "mod") {
        return None;
    }
    let mut ahead = rest.clone();
    if is_word(token, "pub") {
        ahead.next_if(|t| matches!(t, TokenTree::Group(_)));
        ahead.next_if(|t| is_word(t, "mod"))?;
    }
    let name = ahead.next()?.to_string();
    ahead.next_if(|t| is_punct(t, ';'))?;
    *rest = ahead;
    Some(name)
}

/// Reads over a table.
fn table(token: &TokenTree, rest: &mut Tokens) -> bool {
    if !is_word(token, TABLE) {
        return false;
    }
    let mut ahead = rest.clone();
    let call = ahead.next().is_some_and(|t| is_punct(&t, '!'))
        && matches!(ahead.next(), Some(TokenTree::Group(_)));
    if call {
        ahead.next_if(|t| is_punct(t, ';'));
        *rest = ahead;
    }
    call
}

/// Reads over the text of a field that is documentation, or of a constant that such fields take.
fn words(token: &TokenTree, rest: &mut Tokens) -> bool {
    let TokenTree::Ident(name) = token else {
        return false;
    };
    let name = name.to_string();
    let is_field = WORDS.contains(&name.as_str());
    if !is_field && !WORDS.contains(&name.to_lowercase().as_str()) {
        return false;
    }
    let mut ahead = rest.clone();
    let mut field = ahead.next().is_some_and(|t| is_punct(&t, ':'));
    if !is_field {
        let kind: Vec<String> = ahead.by_ref().take(3).map(|t| t.to_string()).collect();
        field &= kind == ["&", "str", "="];
    }
    field &= matches!(ahead.next(), Some(TokenTree::Literal(text)) if is_text(&text));
    // The end of the field: `doc: "a" == x` is none.
    let ends = match ahead.peek() {
        Some(t) => is_punct(t, ',') || is_punct(t, ';'),
        None => true,
    };
    if !field || !ends {
        return false;
    }
    ahead.next_if(|t| is_punct(t, ','));
    *rest = ahead;
    true
}

fn is_text(literal: &Literal) -> bool {
    literal.to_string().ends_with('"') || literal.to_string().starts_with('r')
}

/// The paths of a `use`, which is read over, one text each.
fn imports(token: &TokenTree, rest: &mut Tokens) -> Option<Vec<String>> {
    if !is_word(token, "pub") && !is_word(token, "use") {
        return None;
    }
    let mut ahead = rest.clone();
    let mut before = String::new();
    if is_word(token, "pub") {
        before += "pub ";
        if let Some(within) = ahead.next_if(|t| matches!(t, TokenTree::Group(_))) {
            before += &within.to_string();
        }
        ahead.next_if(|t| is_word(t, "use"))?;
    }
    // `impl Trait + use<'a>` imports nothing.
    if ahead.peek().is_some_and(|t| is_punct(t, '<')) {
        return None;
    }
    let mut tree = Vec::new();
    loop {
        match ahead.next()? {
            t if is_punct(&t, ';') => break,
            t => tree.push(t),
        }
    }
    *rest = ahead;
    let mut paths = Vec::new();
    flatten(format!("{before}use "), tree, &mut paths);
    Some(paths)
}

/// `a::{b, c}` as `a::b` and `a::c`.
fn flatten(before: String, tree: Vec<TokenTree>, paths: &mut Vec<String>) {
    let mut path = before.clone();
    let mut ended = false;
    for token in tree {
        match token {
            TokenTree::Group(group) => {
                flatten(path.clone(), group.stream().into_iter().collect(), paths);
                ended = true;
            }
            t if is_punct(&t, ',') => {
                let whole = std::mem::replace(&mut path, before.clone());
                if !std::mem::take(&mut ended) {
                    paths.push(whole);
                }
            }
            TokenTree::Ident(word) if word == "as" => path += " as ",
            other => path += &other.to_string(),
        }
    }
    if !ended && path != before {
        paths.push(path);
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    fn says(text: &str) -> String {
        read(text).unwrap().says
    }

    const PLAIN: &str = r#"
        use super::{Head, margin::{Margined, SCALE}};
        use frbench_base::Result;
        const SOURCE: &str = "a paper";
        const ENTRY: Entry = Entry { info: Info { name: "cosface", summary: "a margin" }, build };
        fn value(c: f64, m: f64) -> f64 {
            match m { m if m > 0.0 => c - m, _ => c }
        }
        fn all(v: &[f64]) -> Vec<f64> { v.iter().map(|c| value(*c, 0.35)).collect() }
        #[cfg(test)] const fn probe() {}
        fn each<'a>(v: &'a [f64]) -> impl Iterator<Item = f64> + use<'a> { v.iter().map(|c| c + 0.5) }
    "#;

    #[test]
    fn words_tests_and_the_form_say_nothing() {
        let other = r#"
            //! CosFace.
            mod presets;
            pub(crate) mod shared;
            use frbench_base::Result;
            use super::margin::SCALE;
            use super::{margin::Margined, Head,};
            const SOURCE: &str = "a paper, eq. 5";
            /// The entry.
            #[allow(dead_code)]
            const ENTRY: Entry = Entry {
                info: Info {
                    name: "cosface",
                    summary: "another \
                              text",
                },
                build,
            };
            #[doc = "Values."]
            fn value(
                c: f64,
                m: f64,
            ) -> f64 {
                /* the margin */
                match m {
                    m if m > 0.0 => {
                        c - m
                    }
                    _ => { c },
                }
            }
            fn all(v: &[f64]) -> Vec<f64> {
                v.iter().map(|c| {
                    value(*c, 0.35)
                }).collect()
            }
            fn each<'a>(v: &'a [f64]) -> impl Iterator<Item = f64> + use<'a> {
                v.iter().map(|c| c + 0.5)
            }
            entries! { pub static HEADS: Entry = [cosface::ENTRY, arcface::ENTRY] }
            #[cfg(test)]
            use std::collections::{BTreeMap, BTreeSet};
            #[cfg(test)]
            const N: [u32; 2] = { [1, 2] };
            #[cfg(test)]
            mod tests { fn f<A, B>() {} }
        "#;
        assert_eq!(says(other), says(PLAIN));
    }

    #[test]
    fn whatever_computes_says_something() {
        for (from, to) in [
            ("0.35", "0.4"),
            ("c - m", "c + m"),
            ("m > 0.0", "m >= 0.0"),
            (
                "margin::{Margined, SCALE}",
                "margin::{Margined, SCALE as S}",
            ),
            ("use frbench_base::Result;", ""),
            ("name: \"cosface\"", "name: \"face\""),
            ("fn all", "#[inline] fn all"),
            ("fn all", "#[cfg(unix)] fn all"),
            ("_ => c", "_ => { f(); c }"),
            ("|c| value(*c, 0.35)", "|c| { value(*c, 0.35) }.sqrt()"),
            (
                "#[cfg(test)] const fn probe() {}",
                "#[cfg(test)] const fn probe() {} fn more() {}",
            ),
            ("build }", "build, source: text }"),
            ("c + 0.5", "c + 0.25"),
        ] {
            let changed = PLAIN.replace(from, to);
            assert_ne!(changed, PLAIN, "{from}");
            assert_ne!(says(&changed), says(PLAIN), "{from} to {to}");
        }
    }

    #[test]
    fn files_of_tests_are_named() {
        let source = "#[cfg(test)]\n#[path = \"probe_tests.rs\"]\nmod tests;\nfn f() {}\n\
                      #[cfg(test)]\nmod more;\nstruct S { #[cfg(test)] a: T<u8>, b: u8 }";
        let read = read(source).unwrap();
        assert!(read.tests.contains(&"probe_tests.rs".to_string()));
        assert!(read.tests.contains(&"more.rs".to_string()));
        assert_eq!(read.says, says("fn f() {}\nstruct S { b: u8 }"));
        assert!(super::read("fn f( {").is_err());
    }
}
