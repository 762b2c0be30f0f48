//! Writing to the terminal.

use crate::{Error, Result};
use std::io::{ErrorKind, IsTerminal, Write};

/// Writes a command's output. A reader that stops early (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(Error::io("standard output", e)),
        _ => Ok(()),
    }
}

/// Pretty JSON with a final newline.
pub fn print_json(value: &impl serde::Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::Bug(format!("output is not JSON: {e}")))?;
    print(&(text + "\n"))
}

/// A line on standard error about something that is not as it should be.
pub fn warn(text: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// The error on standard error, `error:` in red where that is wanted.
pub fn error(error: &Error) {
    let colour = std::io::stderr().is_terminal() && colours();
    let head = if colour {
        "\x1b[1;31merror:\x1b[0m"
    } else {
        "error:"
    };
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "{head} {error}");
}

/// A line beside the output, on standard error.
pub fn note(text: &str) {
    // Nobody is left to be told if this fails.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Bold, where standard output is a terminal with colours.
pub fn bold(text: &str) -> String {
    if std::io::stdout().is_terminal() && colours() {
        format!("\x1b[1m{text}\x1b[0m")
    } else {
        text.to_string()
    }
}

/// <https://no-color.org>: any value but the empty one switches colours off.
fn colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
