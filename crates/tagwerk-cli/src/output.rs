//! Where results go: text to standard output, JSON to a file or in the text's place.

use crate::failure::Failure;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use tagwerk_data::AtomicFile;

/// Where results go.
#[derive(Debug)]
pub struct Output {
    json: Json,
    quiet: bool,
}

#[derive(Debug)]
enum Json {
    None,
    Stdout,
    File(PathBuf),
}

impl Output {
    /// Text to standard output; JSON to `json`, where `-` is standard output in place of the text.
    ///
    /// Looks now whether the file can be written: hours later would be late.
    pub fn new(json: Option<&Path>, quiet: bool) -> Result<Self, Failure> {
        let json = match json {
            None => Json::None,
            Some(path) if path == Path::new("-") => Json::Stdout,
            Some(path) => {
                writable(path)?;
                Json::File(path.to_owned())
            }
        };
        Ok(Self { json, quiet })
    }

    /// A result, complete: JSON first, so that it is there when the reader of the text has gone.
    pub fn result(&self, text: &str, value: &impl Serialize) -> Result<(), Failure> {
        let mut json = serde_json::to_string_pretty(value)?;
        json.push('\n');
        match &self.json {
            Json::None => print(text),
            Json::Stdout => print(&json),
            Json::File(path) => {
                write_whole(path, json.as_bytes())?;
                print(text)
            }
        }
    }

    /// A line for people, on standard error, unless they asked for quiet.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            // A note that nobody reads is no reason to end.
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    }
}

/// Text to standard output. A reader that went away is no error of ours.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::ReaderGone),
        Err(error) => Err(Failure::new(format!("writing to standard output: {error}"))),
    }
}

/// Whether a result can be put at `path`: its folder is there, and nothing else than a file bears the name.
pub fn writable(path: &Path) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::new(format!(
            "{} is a folder; give the name of a file",
            path.display()
        )));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::new(format!(
            "{}: there is no folder {}",
            path.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// As [`writable`], for files that only appear whole: a pipe or a device would be replaced by the file, so it is
/// refused.
pub fn replaceable(path: &Path) -> Result<(), Failure> {
    writable(path)?;
    if path.exists() && !path.is_file() {
        return Err(Failure::new(format!(
            "{} is no ordinary file; results are written to those only",
            path.display()
        )));
    }
    Ok(())
}

/// Writes a file that appears whole or not at all. Pipes and devices, which have no such thing, get the bytes.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let fault = |doing: &str, error: std::io::Error| Failure::new(format!("{}: {doing}: {error}", path.display()));
    if path.exists() && !path.is_file() {
        let opened = OpenOptions::new()
            .write(true)
            .open(path)
            .map_err(|e| fault("open", e))?;
        return (&opened).write_all(bytes).map_err(|e| fault("write", e));
    }
    let mut file = AtomicFile::create(path)?;
    file.write_all(bytes).map_err(|e| fault("write", e))?;
    Ok(file.commit()?)
}
