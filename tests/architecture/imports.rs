//! The paths that a source file names, as files of the workspace.

/// The modules that a source file names, in its own crate and in others of the workspace, each as
/// a path such as `crates/methods/src/head/cosine`. Names of modules are told from others by their
/// lower case. The root of a crate, by itself, under another name or with all that is in it, is
/// the path of its sources.
pub fn imports(file: &str, text: &str) -> Vec<String> {
    let tokens = tokens(&code(text));
    let mut found = Vec::new();
    // Modules within the file that are open at this place, with the depth of their braces.
    let mut inner: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        // `::name` at the beginning of a path is the root of a crate, too.
        let continues = |t: &String| is_name(t) && t != "use" && t != "as";
        let follows = at > 1 && tokens[at - 1] == "::" && continues(&tokens[at - 2]);
        let names_path = tokens.get(at + 1).is_some_and(|t| t == "::" || t == "as");
        if !follows && names_path && is_root(&tokens[at]) {
            let mut paths = Vec::new();
            at = tree(&tokens, at, &[], &mut paths);
            let here: Vec<&str> = inner.iter().map(|(name, _)| name.as_str()).collect();
            found.extend(paths.iter().filter_map(|p| resolve(file, &here, p)));
            continue;
        }
        match tokens[at].as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inner.retain(|(_, d)| *d <= depth);
            }
            "mod" if tokens.get(at + 2).is_some_and(|t| t == "{") => {
                inner.push((tokens[at + 1].clone(), depth + 1));
            }
            _ => {}
        }
        at += 1;
    }
    // Paths in attributes: `#[serde(default = "crate::...")]`.
    for literal in text.split('"').skip(1).step_by(2) {
        let path: Vec<String> = literal.split("::").map(String::from).collect();
        let is_path = path.len() > 1 && is_root(&path[0]) && path.iter().all(|n| is_word(n));
        found.extend(is_path.then(|| resolve(file, &[], &path)).flatten());
    }
    found
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// What the test cannot follow, and no source needs: for each a line.
pub fn hidden(text: &str) -> Vec<&'static str> {
    let tokens = tokens(&code(text));
    let extern_crate = tokens.windows(2).any(|t| t == ["extern", "crate"]);
    let other_folder = |word: &str| {
        let lines = text.lines().map(str::trim_start);
        let mut named = lines.filter(|l| l.starts_with(word));
        named.any(|l| l.contains("\"../"))
    };
    let mut found = Vec::new();
    if extern_crate {
        found.push("`extern crate`");
    }
    if other_folder("#[path") || other_folder("include!") {
        found.push("a source of another folder");
    }
    found
}

fn is_root(token: &str) -> bool {
    matches!(token, "crate" | "super" | "self" | "frbench") || token.starts_with("frbench_")
}

/// Reads a path, or the tree of paths of a `use`, that begins at `at`; gives the place behind it.
fn tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    paths: &mut Vec<Vec<String>>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|t| t != "}") {
                    let next = tree(tokens, at, &path, paths);
                    at = next.max(at + 1);
                    if tokens.get(at).is_some_and(|t| t == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some(name) if is_name(name) => {
                path.push(name.to_string());
                at += 1;
            }
            _ => break,
        }
        match tokens.get(at).map(String::as_str) {
            Some("::") => at += 1,
            Some("as") => {
                at += 2;
                break;
            }
            _ => break,
        }
    }
    paths.push(path);
    at
}

fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The module that a path names, as a path of the workspace; nothing for one outside of it.
fn resolve(file: &str, inner: &[&str], path: &[String]) -> Option<String> {
    let (source, module) = file.split_once("src/").expect("a source file");
    let mut here: Vec<&str> = module.trim_end_matches(".rs").split('/').collect();
    if matches!(here.last(), Some(&("mod" | "lib" | "main"))) {
        here.pop();
    }
    here.extend(inner);
    let mut names = path.iter().map(String::as_str).peekable();
    let first = names.next()?;
    let (source, mut module) = match first {
        "crate" => (source.to_string(), Vec::new()),
        "self" => (source.to_string(), here),
        "super" => {
            here.pop();
            while names.next_if_eq(&"super").is_some() {
                here.pop();
            }
            (source.to_string(), here)
        }
        // The program as a library: a crate of several layers shows them by their names.
        "frbench" => (String::new(), Vec::new()),
        other => (
            format!("crates/{}/", other.strip_prefix("frbench_")?),
            Vec::new(),
        ),
    };
    let is_module = |n: &&str| n.starts_with(|c: char| c.is_lowercase()) && *n != "self";
    module.extend(names.take_while(is_module));
    // The program's own sources name what its library shows as others do.
    let shown = first == "frbench" || (first == "crate" && source.is_empty());
    if shown {
        let name = module.first().copied()?;
        let place = match name {
            "error" | "files" | "key" | "registry" | "rng" | "compare" | "time" => {
                "crates/base/src"
            }
            "weights" => "crates/weights/src",
            "gate" => "crates/gate/src",
            "engine" => "crates/engine/src",
            "job" => "crates/job/src",
            "data" => "crates/data/src",
            "synth" => "crates/synth/src",
            "report" => "crates/report/src",
            "backbone" | "head" | "distill" | "method" => "crates/methods/src/",
            "protocol" | "stats" => "crates/eval/src/",
            "train" | "parity" | "suite" | "plan" | "run" => "crates/harness/src/",
            _ => "src/",
        };
        return Some(match place.ends_with('/') {
            true => format!("{place}{name}"),
            false => place.to_string(),
        });
    }
    let names = module.iter().map(|n| format!("/{n}"));
    Some(names.fold(format!("{source}src"), |path, name| path + &name))
}

/// The text without comments and literals.
fn code(text: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = text.chars().collect();
    let mut i = 0;
    while i < chars.len() {
        let next = chars.get(i + 1);
        match chars[i] {
            '/' if next == Some(&'/') => {
                while i < chars.len() && chars[i] != '\n' {
                    i += 1;
                }
            }
            '/' if next == Some(&'*') => {
                while i < chars.len() && !(chars[i] == '*' && chars.get(i + 1) == Some(&'/')) {
                    i += 1;
                }
                i += 2;
            }
            // `r#name` is `name`.
            'r' if next == Some(&'#') && chars.get(i + 2).is_some_and(|c| c.is_alphabetic()) => {
                i += 2;
            }
            'r' if matches!(next, Some('"' | '#'))
                && !out.ends_with(|c: char| c.is_alphanumeric() || c == '_') =>
            {
                let hashes = chars[i + 1..].iter().take_while(|c| **c == '#').count();
                if chars.get(i + 1 + hashes) != Some(&'"') {
                    out.push('r');
                    i += 1;
                    continue;
                }
                i += hashes + 2;
                let closes = |i: usize| {
                    chars[i] == '"'
                        && chars[i + 1..]
                            .iter()
                            .take(hashes)
                            .filter(|c| **c == '#')
                            .count()
                            == hashes
                };
                while i < chars.len() && !closes(i) {
                    i += 1;
                }
                i += 1 + hashes;
            }
            '"' => {
                i += 1;
                while i < chars.len() && chars[i] != '"' {
                    i += if chars[i] == '\\' { 2 } else { 1 };
                }
                i += 1;
            }
            // A character, not a lifetime.
            '\'' if next == Some(&'\\') || chars.get(i + 2) == Some(&'\'') => {
                i += if next == Some(&'\\') { 3 } else { 2 };
                while i < chars.len() && chars[i] != '\'' {
                    i += 1;
                }
                i += 1;
            }
            c => {
                out.push(c);
                i += 1;
            }
        }
    }
    out
}

/// Names, `::` and single characters.
fn tokens(code: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut joins = false;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            match out.last_mut().filter(|_| joins) {
                Some(last) => last.push(c),
                None => out.push(c.to_string()),
            }
            joins = true;
            continue;
        }
        joins = false;
        if c == ':' && chars.next_if_eq(&':').is_some() {
            out.push("::".into());
        } else if !c.is_whitespace() {
            out.push(c.to_string());
        }
    }
    out
}
