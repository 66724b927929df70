//! The better form of targets: instances by name.

use std::{num::NonZeroU32, time::Duration};

use backup_app::settings::{Completion, OnMissingBase, TargetState};
use secrecy::ExposeSecret as _;

use crate::support::{connection, faults, file, loaded, target, warnings};

const INSTANCES: &str = include_str!("../fixtures/instances.yml");

#[test]
fn targets_refer_to_instances() {
    let settings = loaded(INSTANCES, &[("YBA_MAIN_TOKEN", "t-0123456789")], &[]);
    let main = &settings.instances["main"];
    assert_eq!((main.base_urls.len(), main.max_concurrent_calls), (2, 4));
    assert_eq!(connection(&settings, "orders").instance.as_deref(), Some("main"));
    assert_eq!(connection(&settings, "orders").api_token.expose_secret(), "t-0123456789");
    let incremental = settings.target("ordersIncremental").unwrap();
    assert_eq!(incremental.on_missing_base, OnMissingBase::Full);
    assert_eq!(incremental.deadline, Duration::from_hours(6));
    assert_eq!(settings.targets[0].category_codes, ["ORDERS_FULL", "ORDERS_WEEKLY"]);
    assert_eq!(settings.targets[0].keyspaces, ["orders", "invoices"]);
    assert_eq!(settings.datasource.schema, "epricing");
    assert_eq!(warnings(&settings), "");
}

#[test]
fn calls_per_second_are_limited_where_a_limit_is_set() {
    let with = |limit: &str| INSTANCES.replace("max-concurrent-calls: 4", limit);
    let token = ("YBA_MAIN_TOKEN", "t-0123456789");
    let settings = loaded(INSTANCES, &[token], &[]);
    assert_eq!(settings.instances["main"].max_calls_per_second, None);
    assert!(settings.explain().find("yba.max-calls-per-second").is_none());

    let settings =
        loaded(&with("max-calls-per-second: 5"), &[token, ("YBA_MAX_CALLS_PER_SECOND", "20")], &[]);
    assert_eq!(settings.instances["main"].max_calls_per_second, NonZeroU32::new(5));
    assert_eq!(settings.yba.max_calls_per_second, NonZeroU32::new(20));
    let shown =
        |key: &str| settings.explain().find(key).map(|row| (row.value.clone(), row.origin.to_string()));
    let row = |value: &str, origin: &str| Some((value.to_owned(), origin.to_owned()));
    assert_eq!(shown("yba.instances.main.max-calls-per-second"), row("5", "application.yml:11"));
    assert_eq!(shown("yba.max-calls-per-second"), row("20", "environment YBA_MAX_CALLS_PER_SECOND"));

    insta::assert_snapshot!(faults(&with("max-calls-per-second: 0"), &[token, ("YBA_MAX_CALLS_PER_SECOND", "10001")]), @"
    the configuration has 2 faults:
      yba.instances.main.max-calls-per-second (application.yml:11): `0` is not between 1 and 10000
      yba.max-calls-per-second (environment YBA_MAX_CALLS_PER_SECOND): `10001` is not between 1 and 10000
    ");
}

#[test]
fn the_original_targets_do_not_appear_because_the_file_uses_their_variables() {
    let text = file(&["    orders:\n      api-token: ${YBA_API_TOKEN}\n      instance: main\n".to_owned()])
        + "  instances.main: {base-url: https://yba, customer-uuid: c}\n";
    let settings = loaded(&text, &[("YBA_API_TOKEN", "t-0123456789")], &[]);
    assert_eq!(settings.targets.len(), 1);
}

#[test]
fn a_target_may_bring_its_own_token() {
    let own = INSTANCES.replacen("instance: main\n", "instance: main\n      api-token: another-token\n", 1);
    let settings = loaded(&own, &[("YBA_MAIN_TOKEN", "t-0123456789")], &[]);
    assert_eq!(connection(&settings, "orders").api_token.expose_secret(), "another-token");
    assert_eq!(connection(&settings, "orders-incremental").api_token.expose_secret(), "t-0123456789");

    let alone = own.replace("      api-token: ${YBA_MAIN_TOKEN}\n", "");
    let settings = loaded(&alone, &[], &[]);
    assert_eq!(connection(&settings, "orders").instance.as_deref(), Some("main"));
    let TargetState::HalfSet { missing } = &settings.targets[1].state else { panic!() };
    assert_eq!(missing, &["yba.databases.orders-incremental.api-token"]);
}

#[test]
fn a_target_of_an_unknown_instance_is_a_fault() {
    let text = INSTANCES.replace("instance: main\n      universe", "instance: mian\n      universe");
    insta::assert_snapshot!(faults(&text, &[("YBA_MAIN_TOKEN", "t")]), @"
    the configuration has 2 faults:
      yba.databases.orders.instance (application.yml:14): there is no `yba.instances.mian`; did you mean `main`?
      yba.databases.orders-incremental.instance (application.yml:21): there is no `yba.instances.mian`; did you mean `main`?
    ");
}

#[test]
fn an_incomplete_instance_leaves_its_targets_half_set() {
    let text = INSTANCES.replace("customer-uuid", "# customer-uuid");
    let settings = loaded(&text, &[("YBA_MAIN_TOKEN", "t")], &[]);
    assert!(settings.instances.is_empty());
    for target in &settings.targets {
        let TargetState::HalfSet { missing } = &target.state else { panic!() };
        assert_eq!(missing, &["yba.instances.main.customer-uuid"]);
    }
}

#[test]
fn a_url_that_implies_no_instance_is_a_fault_unless_acceptance_is_enough() {
    let odd = |more: &str| {
        file(&[target("db1", more)])
            .replace("/api/v1/customers/6f3b1e4a-0c55-4c1e-9a36-1f6f5f0d7a11/backups", "/full")
    };
    insta::assert_snapshot!(faults(&odd(""), &[]), @"
    the configuration has a fault:
      yba.databases.db1.full-backup-url (application.yml:4): YBA's address and customer cannot be derived from it (it holds no `/api/v1/customers/{customer}`), so the backup could not be followed; name an `instance`, or set `completion: accepted`
    ");
    let settings = loaded(&odd("      completion: accepted\n"), &[], &[]);
    assert_eq!(settings.targets[0].completion, Completion::Accepted);
    assert_eq!(connection(&settings, "db1").instance, None);
}
