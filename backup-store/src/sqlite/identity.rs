//! Which file is open. One that is deleted or replaced at its path stays open here, and whatever is written to it is lost.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The file at a path when it was opened.
#[derive(Debug)]
pub(super) struct Identity {
    path: PathBuf,
    mark: Mark,
}

/// Device and inode, where the system has them.
type Mark = Option<(u64, u64)>;

impl Identity {
    /// The file that is at this path now.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let mark = mark(&path)?;
        Ok(Self { path, mark })
    }

    /// Fails when the file is not at its path any more.
    pub(super) fn check(&self) -> Result<(), sqlx::Error> {
        let fault = match mark(&self.path) {
            Ok(mark) if mark == self.mark => return Ok(()),
            Ok(_) => "was replaced by another file".to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "was deleted or moved".to_owned(),
            Err(error) => format!("cannot be looked at ({error})"),
        };
        let path = self.path.display();
        let text = format!(
            "the database file {path} {fault} while it is open: nothing more is written to it; put the right file there and \
             restart this process"
        );
        Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::NotFound, text)))
    }
}

#[cfg(unix)]
fn mark(path: &Path) -> io::Result<Mark> {
    use std::os::unix::fs::MetadataExt;

    let metadata = std::fs::metadata(path)?;
    Ok(Some((metadata.dev(), metadata.ino())))
}

#[cfg(not(unix))]
fn mark(path: &Path) -> io::Result<Mark> {
    std::fs::metadata(path).map(|_| None)
}
