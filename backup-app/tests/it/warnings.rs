//! What works, and what somebody should know about.

use crate::support::{STORAGE, URL, db1_variables, file, loaded, target, warnings};

#[test]
fn a_sound_configuration_has_none() {
    assert_eq!(warnings(&loaded("", &db1_variables(), &[])), "");
}

#[test]
fn questionable_settings_are_named() {
    let text = format!(
        "\
yba:
  insecure-skip-verify: true
  databases:
    plain:
      full-backup-url: http://yba.example.com/api/v1/customers/c/backups
      api-token: t-0123456789
      universe-uuid: universe-uuid-123
      storage-config-uuid: {STORAGE}
      completion: accepted
      on-unknown: repost
datasource: {{url: 'sqlite:x.db', username: u}}
data-sources: {{}}
server: {{address: 0.0.0.0, auth.mode: none, ssl.enabled: true}}
"
    );
    let variables = [("YBA_API_TOKN", "t"), ("YBA_SOMETHING_ELSE", "x"), ("PATH", "/bin")];
    insta::assert_snapshot!(warnings(&loaded(&text, &variables, &[])), @"
    yba.insecure-skip-verify (application.yml:2): certificates of YBA are NOT checked: anybody on the way can read the token; name the authority with `ca-certificate` instead
    yba.databases.plain.full-backup-url (application.yml:5): sends the token over plain http
    yba.databases.plain.universe-uuid (application.yml:7): `universe-uuid-123` is no UUID; YugabyteDB Anywhere will refuse it
    yba.databases.plain.expiry-ms: is not set: YBA keeps these backups for ever
    yba.databases.plain.completion (application.yml:9): a backup counts as completed when YBA accepts it, even if it fails later
    yba.databases.plain.on-unknown (application.yml:10): a backup whose start is unknown may be started a second time
    datasource.username (application.yml:11): means nothing to SQLite
    server.auth.mode (application.yml:13): is `none`: anybody who reaches the service can start backups
    data-sources (application.yml:12): is no section of ours and is ignored; did you mean `datasource`?
    server.ssl (application.yml:13): is a setting of Spring's that has no meaning here; it is ignored
    YBA_API_TOKN: nothing reads this environment variable; did you mean `YBA_API_TOKEN`?
    ");
}

#[test]
fn an_increment_without_a_full_target_is_named() {
    let increment =
        |more: &str| target("inc", &format!("      backup-category-type: incremental_backup\n{more}"));
    let alone = loaded(&file(&[increment("")]), &[], &[]);
    insta::assert_snapshot!(warnings(&alone), @"yba.databases.inc.backup-category-type (application.yml:9): no target takes full backups of the same universe, storage configuration, table type and keyspaces: increments need a base from elsewhere");
    let other = loaded(&file(&[increment("      keyspaces: a\n"), target("full", "")]), &[], &[]);
    assert!(warnings(&other).contains("need a base from elsewhere"));
    for sound in [vec![increment(""), target("full", "")], vec![increment("      on-missing-base: full\n")]] {
        assert_eq!(warnings(&loaded(&file(&sound), &[], &[])), "");
    }
}

#[test]
fn plain_http_on_this_machine_is_fine() {
    for host in ["localhost:9000", "127.0.0.1", "[::1]:1"] {
        let text = file(&[target("db1", "").replace("https://yba.example.com", &format!("http://{host}"))]);
        assert_eq!(warnings(&loaded(&text, &[], &[])), "", "{host} for {URL}");
    }
}
