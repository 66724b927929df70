//! A full disk, a file that may not grow, and one that is deleted or replaced while it is open: said, and over when they are.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use backup_core::{
    BackupRecord, Clock, OwnerId, Phase, SystemClock, TrackingStore,
    store::{BackupFilter, Beat, Claim, Created, Hold, Lease, StoreError},
    testing::fixtures,
};
use backup_store::{StoreConfig, connect};
use chrono::{DateTime, Utc};

fn now() -> DateTime<Utc> {
    SystemClock::new().now()
}

async fn open(file: &Path) -> Arc<dyn TrackingStore> {
    connect(&StoreConfig::new(format!("sqlite:{}", file.display()))).await.unwrap()
}

fn hold() -> Hold {
    Hold { owner: OwnerId::generate(), lease: Duration::from_secs(600) }
}

async fn create(store: &dyn TrackingStore, universe: &str) -> Result<(Lease, BackupRecord), StoreError> {
    let mut record = fixtures::record_on(universe, now());
    record.submit(now()).unwrap();
    match store.create(&record, None, hold()).await? {
        Created::New { lease: Some(lease), record } => Ok((lease, record)),
        other => panic!("{other:?}"),
    }
}

/// Creates batches until the disk is full, and says with what.
async fn fill(store: &dyn TrackingStore, prefix: &str) -> StoreError {
    for n in 0..100_000 {
        if let Err(error) = create(store, &format!("{prefix}-{n}")).await {
            return error;
        }
    }
    panic!("the disk is never full");
}

/// Everything that a service does works, without a restart.
async fn works(store: &dyn TrackingStore, lease: &Lease, record: &BackupRecord, prefix: &str) {
    store.check().await.unwrap();
    let beats = store.heartbeat(std::slice::from_ref(lease), hold()).await.unwrap();
    assert!(matches!(beats[..], [Beat::Kept { .. }]), "{beats:?}");
    store.save(lease, record, Phase::Submitting, Duration::ZERO).await.unwrap();
    store.claim(&Claim { hold: hold(), limit: 10, only: None }).await.unwrap();
    let (new, _) = create(store, &format!("{prefix}-again")).await.unwrap();
    assert!(store.find(&new.batch).await.unwrap().is_some());
    assert!(!store.list(&BackupFilter::default()).await.unwrap().records.is_empty());
}

/// A file system of three MiB.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where nobody may mount one.
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(dir.path()).stderr(Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then(|| Self(dir))
    }

    /// Takes all the space that is left.
    fn fill(&self) {
        let mut file = fs::File::create(self.filler()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_over_when_there_is_space_again() {
    let Some(disk) = SmallDisk::mount() else {
        let test = "sqlite::trouble::a_full_disk_is_over_when_there_is_space_again";
        return pg_harness::skip(test, "only root may mount a small file system");
    };
    let store = open(&disk.0.path().join("backup.db")).await;
    let (lease, record) = create(&*store, "u1").await.unwrap();
    for round in 0..3 {
        disk.fill();
        let error = fill(&*store, &format!("full-{round}")).await;
        assert!(error.is_transient(), "{error:?}");
        // More of every kind, while it is full: none of them may leave anything behind.
        let _ = store.heartbeat(std::slice::from_ref(&lease), hold()).await;
        let _ = store.claim(&Claim { hold: hold(), limit: 10, only: None }).await;
        let _ = store.prune(now(), 10).await;
        let _ = store.request_cancel(&record.batch).await;
        fs::remove_file(disk.filler()).unwrap();
        works(&*store, &lease, &record, &format!("round-{round}")).await;
    }
}

const CHILD: &str = "BACKUP_STORE_TEST_CHILD";

/// The part of the next test that runs in a process of its own, since a limit holds for a whole process.
#[tokio::test]
async fn a_process_whose_files_may_not_grow() {
    let Some(file) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&file)).await;
    let (lease, record) = create(&*store, "u1").await.unwrap();
    let error = fill(&*store, "full").await;
    assert!(error.is_transient(), "{error:?}");
    eprintln!("\nfull");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    works(&*store, &lease, &record, "round").await;
    eprintln!("\nworks");
}

#[test]
fn a_file_that_may_not_grow_is_over_when_it_may_again() {
    let test = "sqlite::trouble::a_file_that_may_not_grow_is_over_when_it_may_again";
    if Command::new("prlimit").arg("--version").stdout(Stdio::null()).status().is_err() {
        return pg_harness::skip(test, "no prlimit (install the package util-linux)");
    }
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new("sh")
        // In blocks of 512 bytes. Without the trap the signal would end the process, with it the write fails.
        .args(["-c", "trap '' XFSZ; ulimit -S -f 1000; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "sqlite::trouble::a_process_whose_files_may_not_grow", "--nocapture"])
        .env(CHILD, dir.path().join("backup.db"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    expect_line(&mut child, &mut said, "full");
    let pid = child.id().to_string();
    let lifted = Command::new("prlimit").args(["--pid", &pid, "--fsize=unlimited:"]).status().unwrap();
    assert!(lifted.success());
    writeln!(child.stdin.as_mut().unwrap(), "go on").unwrap();
    expect_line(&mut child, &mut said, "works");
    assert!(child.wait().unwrap().success());
}

fn expect_line(child: &mut Child, said: &mut impl Iterator<Item = std::io::Result<String>>, wanted: &str) {
    let mut heard = Vec::new();
    for line in said.map_while(Result::ok) {
        if line == wanted {
            return;
        }
        heard.push(line);
    }
    let _ = child.kill();
    panic!("it never said \"{wanted}\": {}", heard.join("\n"));
}

#[tokio::test]
async fn a_file_that_is_deleted_or_replaced_is_written_no_more() {
    let dir = tempfile::tempdir().unwrap();
    let (file, aside) = (dir.path().join("backup.db"), dir.path().join("aside"));
    let store = open(&file).await;
    let (lease, record) = create(&*store, "u1").await.unwrap();
    for replacement in [None, Some("another file, and no database"), Some("")] {
        fs::rename(&file, &aside).unwrap();
        if let Some(replacement) = replacement {
            fs::write(&file, replacement).unwrap();
        }
        let error = store.check().await.unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(error.is_transient() && cause.contains(&file.display().to_string()), "{error:?}");
        let refused = create(&*store, "u2").await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
        assert!(store.heartbeat(std::slice::from_ref(&lease), hold()).await.is_err());
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), replacement, "nothing is made in its place");
        fs::rename(&aside, &file).unwrap();
        store.check().await.unwrap();
    }
    works(&*store, &lease, &record, "again").await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_and_those_beside_it_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir.path().join("backup.db")).await;
    create(&*store, "u1").await.unwrap();
    let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
    files.sort_by_key(fs::DirEntry::path);
    let modes: Vec<_> = files
        .iter()
        .map(|file| {
            let mode = file.metadata().unwrap().permissions().mode() & 0o777;
            (file.file_name().into_string().unwrap(), mode)
        })
        .collect();
    let expected = ["backup.db", "backup.db-shm", "backup.db-wal"].map(|name| (name.to_owned(), 0o600));
    assert_eq!(modes, expected);
}
