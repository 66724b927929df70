//! No bytes make a type of the wire panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use yba_client::{
    Backup, BackupResp, FailedSubtask, Page, PitrConfig, Restore, Schedule, StorageConfig, Task, TaskSummary,
    Universe, parse_date,
};

fuzz_target!(|bytes: &[u8]| {
    drop(serde_json::from_slice::<Task>(bytes));
    drop(serde_json::from_slice::<Vec<TaskSummary>>(bytes));
    drop(serde_json::from_slice::<Vec<FailedSubtask>>(bytes));
    drop(serde_json::from_slice::<Backup>(bytes));
    drop(serde_json::from_slice::<Page<BackupResp>>(bytes));
    drop(serde_json::from_slice::<Universe>(bytes));
    drop(serde_json::from_slice::<Page<Restore>>(bytes));
    drop(serde_json::from_slice::<Page<Schedule>>(bytes));
    drop(serde_json::from_slice::<Vec<StorageConfig>>(bytes));
    drop(serde_json::from_slice::<Vec<PitrConfig>>(bytes));
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse_date(text);
    }
});
