//! A configuration tree: the names of folders and files are keys, and what the files hold are the values, as
//! Kubernetes and Docker mount secrets.

use std::io;
use std::path::Path;

use super::read::bounded;
use super::tree::{Leaf, Map, Node};
use crate::origin::Origin;

/// Larger than any value.
const MAX_VALUE: u64 = 64 * 1024;
/// More files than any tree of settings has.
const MAX_FILES: usize = 1_000;
/// Deeper than any key; it also ends a link to a folder above.
const MAX_DEPTH: usize = 8;

/// Reads a tree.
///
/// # Errors
///
/// A folder or a file that cannot be read, and a tree that is larger than a configuration can be.
pub(crate) fn read(folder: &Path) -> io::Result<Map> {
    let mut reader = TreeReader { map: Map::default(), files: 0 };
    reader.folder(folder, "", 0)?;
    Ok(reader.map)
}

struct TreeReader {
    map: Map,
    files: usize,
}

impl TreeReader {
    fn folder(&mut self, folder: &Path, above: &str, depth: usize) -> io::Result<()> {
        let mut entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            // Kubernetes keeps the versions of a mounted secret in `..data` and folders beside it.
            if name.starts_with("..") {
                continue;
            }
            let key = if above.is_empty() { name } else { format!("{above}.{name}") };
            let path = entry.path();
            if !path.is_dir() {
                self.file(&path, &key)?;
            } else if depth < MAX_DEPTH {
                self.folder(&path, &key, depth + 1)?;
            } else {
                return Err(too_large());
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, key: &str) -> io::Result<()> {
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(too_large());
        }
        let content = bounded(path, MAX_VALUE)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
        let text = String::from_utf8_lossy(&content).into_owned();
        let origin = Origin::ConfigTree { path: path.to_owned() };
        let leaf = Leaf { text: Some(without_line_break(text)), origin: origin.clone() };
        // A name that is no key (`.hidden`) sets nothing.
        _ = self.map.insert(key, origin, Node::Leaf(leaf));
        Ok(())
    }
}

/// The one line of a text of one line; several lines are kept as they are.
fn without_line_break(text: String) -> String {
    match text.strip_suffix('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)) {
        Some(line) if !line.contains('\n') => line.to_owned(),
        _ => text,
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than a configuration tree can be")
}
