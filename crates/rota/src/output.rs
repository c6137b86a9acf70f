//! Answers of commands on standard output.

use serde::Serialize;
use std::io::{ErrorKind, Write};

/// Prints a text. A reader who has seen enough (`rota config | head`) is no error.
pub(crate) fn print(text: impl AsRef<[u8]>) -> eyre::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Prints a value as indented JSON.
pub(crate) fn print_json(value: &impl Serialize) -> eyre::Result<()> {
    print(serde_json::to_string_pretty(value)? + "\n")
}
