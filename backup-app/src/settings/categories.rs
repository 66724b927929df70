//! Category codes and keys are one name space: a request must never find two targets.

use std::collections::BTreeMap;

use super::TargetSettings;
use crate::fault::Fault;
use crate::reader::{Reader, quoted};

/// Complains about every code that two targets answer to.
pub(super) fn check(reader: &mut Reader<'_>, targets: &[TargetSettings]) {
    let mut owners: BTreeMap<String, &str> =
        targets.iter().map(|target| (target.key.to_lowercase(), target.key.as_str())).collect();
    for target in targets {
        for code in &target.category_codes {
            let owner = *owners.entry(code.to_lowercase()).or_insert(&target.key);
            if owner != target.key {
                clash(reader, target, code, owner);
            }
        }
    }
}

fn clash(reader: &mut Reader<'_>, target: &TargetSettings, code: &str, owner: &str) {
    let key = format!("yba.databases.{}.category-codes", target.key);
    let whose =
        if owner.eq_ignore_ascii_case(code) { "is the key of the target" } else { "belongs to the target" };
    let message = format!(
        "{} of the target `{}` {whose} `{owner}`; a request must find one target",
        quoted(code),
        target.key
    );
    let origin = reader.origin(&key);
    reader.faults.push(Fault::new(key, origin, message));
}
