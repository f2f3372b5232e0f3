//! Hands the commit that the program is built from to the compiler, read from the repository's files.
//!
//! A source archive has no repository, and a program built there says so by saying nothing.

use std::fs;
use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TAGWERK_GIT");
    let given = std::env::var("TAGWERK_GIT").ok().filter(|id| !id.is_empty());
    if let Some(id) = given.or_else(|| commit(Path::new("../../.git"))) {
        println!("cargo::rustc-env=TAGWERK_COMMIT={id}");
    }
}

/// The commit of `HEAD`, by loose reference or packed.
fn commit(git: &Path) -> Option<String> {
    let head = watched(&git.join("HEAD"))?;
    let head = head.trim();
    let id = match head.strip_prefix("ref: ") {
        None => head.to_owned(),
        Some(name) => match watched(&git.join(name)) {
            Some(id) => id.trim().to_owned(),
            None => watched(&git.join("packed-refs"))?
                .lines()
                .find_map(|line| line.strip_suffix(name).map(|id| id.trim().to_owned()))?,
        },
    };
    let plain = id.len() >= 12 && id.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| id[..12].to_owned())
}

/// The text of a file, which is looked at again when it changes. A file that is not there is not watched: cargo would
/// build anew every time.
fn watched(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    println!("cargo::rerun-if-changed={}", path.display());
    Some(text)
}
