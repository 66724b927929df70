//! Category codes and keys are one name space: a request must never find two targets.

use std::collections::BTreeMap;

use backup_core::fold_case;

use super::TargetSettings;
use crate::fault::Fault;
use crate::reader::{Reader, quoted};

/// Complains about every code that two targets answer to.
pub(super) fn check(reader: &mut Reader<'_>, targets: &[TargetSettings]) {
    let mut owners: BTreeMap<String, &str> =
        targets.iter().map(|target| (fold_case(&target.key), target.key.as_str())).collect();
    for target in targets {
        for code in &target.category_codes {
            let owner = *owners.entry(fold_case(code)).or_insert(&target.key);
            if owner != target.key {
                clash(reader, target, code, owner);
            }
        }
    }
}

fn clash(reader: &mut Reader<'_>, target: &TargetSettings, code: &str, owner: &str) {
    let key = format!("yba.databases.{}.category-codes", target.key);
    let whose = if fold_case(owner) == fold_case(code) {
        "is the key of the target"
    } else {
        "belongs to the target"
    };
    let message = format!(
        "{} of the target `{}` {whose} `{owner}`; a request must find one target",
        quoted(code),
        target.key
    );
    let origin = reader.origin(&key);
    reader.faults.push(Fault::new(key, origin, message));
}
