//! Where the file lies: SQLite's locks and shared memory do not work over a network.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::error::ConnectError;

/// File systems on another machine, as `/proc/self/mounts` names them.
const NETWORK: &[&str] = &[
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "davfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "orangefs",
    "smb2",
    "smb3",
    "smbfs",
];
const NETWORK_FUSE: &[&str] =
    &["ceph", "davfs", "gcsfuse", "glusterfs", "goofys", "juicefs", "rclone", "s3fs", "sshfs"];

/// Fails where there is no file, with the whole path: the folder is what people are mistaken about. What cannot be looked
/// at is left to SQLite, which says why.
pub(super) fn must_be_there(path: &Path) -> Result<(), ConnectError> {
    if path.try_exists().unwrap_or(true) {
        return Ok(());
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    Err(ConnectError::NoDatabase { path: whole.display().to_string() })
}

/// Makes the file, for this user alone; SQLite gives the files beside it the same rights. What stands against it SQLite finds
/// too, and says so.
pub(super) fn make_private(path: &Path) {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // There already, more often than not.
    let _ = options.open(path);
}

/// Says if other users can read the file, or put another one in its place.
pub(super) fn warn_of_others(path: &Path) {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if mode(folder) & 0o002 != 0 {
        let folder = folder.display();
        tracing::warn!(%folder, "every user can write in the folder of the database file, and put another file in its place");
    }
    if mode(path) & 0o077 != 0 {
        let file = path.display();
        tracing::warn!(%file, "other users can read the database file: chmod 600 it, and the files beside it");
    }
}

/// The rights to a file; none where nobody can tell.
fn mode(path: &Path) -> u32 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).map(|metadata| metadata.mode()).unwrap_or_default()
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        0
    }
}

/// Fails if the file is, or would be, on a network file system. Where nobody can tell, it is not.
pub(super) fn refuse_network(path: &Path) -> Result<(), ConnectError> {
    let (Ok(mounts), Some(real)) = (fs::read_to_string("/proc/self/mounts"), real_path(path)) else {
        return Ok(());
    };
    match network_kind(&mounts, &real) {
        Some(kind) => {
            Err(ConnectError::NetworkFileSystem { path: path.display().to_string(), kind: kind.to_owned() })
        }
        None => Ok(()),
    }
}

/// The path without links; of a file that is not there yet, its directory's.
fn real_path(path: &Path) -> Option<PathBuf> {
    let directory = || match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => fs::canonicalize(parent),
        _ => std::env::current_dir(),
    };
    fs::canonicalize(path).or_else(|_| directory()).ok()
}

/// The kind of the file system under the longest mount point above the path, if it is a network's.
fn network_kind<'a>(mounts: &'a str, path: &Path) -> Option<&'a str> {
    let mut best: Option<(usize, &str)> = None;
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(point), Some(kind)) = (words.next(), words.next()) else { continue };
        let point = point.replace("\\040", " ").replace("\\011", "\t");
        let length = Path::new(&point).components().count();
        // The last of several mounts on one point is the one that is seen.
        if path.starts_with(&point) && best.is_none_or(|(longest, _)| length >= longest) {
            best = Some((length, kind));
        }
    }
    let (_, kind) = best?;
    let is_network = NETWORK.contains(&kind)
        || kind
            .strip_prefix("fuse.")
            .is_some_and(|fuse| NETWORK_FUSE.iter().any(|name| fuse.starts_with(name)));
    is_network.then_some(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
overlay / overlay rw 0 0
server:/export /mnt/share nfs4 rw 0 0
/dev/sdb /mnt/share/local\\040disk ext4 rw 0 0
user@host: /mnt/ssh fuse.sshfs rw 0 0
/dev/fuse /mnt/own fuse.ntfs-3g rw 0 0
";

    #[test]
    fn the_longest_mount_point_decides() {
        let kind = |path: &str| network_kind(MOUNTS, Path::new(path));
        assert_eq!(kind("/var/lib/backup.db"), None);
        assert_eq!(kind("/mnt/share/backup.db"), Some("nfs4"));
        assert_eq!(kind("/mnt/share/local disk/backup.db"), None);
        assert_eq!(kind("/mnt/shared.db"), None);
        assert_eq!(kind("/mnt/ssh/a/b.db"), Some("fuse.sshfs"));
        assert_eq!(kind("/mnt/own/b.db"), None);
    }
}
