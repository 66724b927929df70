//! Values that cannot be meant: what an env file, a template, a description or a cluster left in them.

use crate::support::{STORAGE, UNIVERSE, URL, db1_variables, faults, load, loaded, warnings};

/// The variables of `db1` with another value for one of them.
fn db1_with<'v>(name: &'v str, value: &'v str) -> Vec<(&'v str, &'v str)> {
    let mut variables: Vec<_> = db1_variables().into_iter().filter(|(other, _)| *other != name).collect();
    variables.push((name, value));
    variables
}

#[test]
fn quotes_that_an_env_file_keeps_are_a_fault_for_every_setting() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "\"t-0123456789\"\n").expect("a file");
    let file = file.to_str().expect("plain text").to_owned();
    for (name, value) in [
        ("YBA_API_TOKEN", "\"t-0123456789\""),
        ("YBA_UNIVERSE_UUID", "'8a1d1c5e-35a2-4a4b-8f0e-0a5f0f6f9d02'"),
        ("YBA_STORAGE_CONFIG_UUID", "\"x\""),
        ("YBA_FULL_BACKUP_URL", "\"https://yba.example.com/api/v1/customers/c/backups\""),
        ("YBA_CATEGORY_CODES", "\"A\",B"),
        ("DATASOURCE_PASSWORD", "\"t-0123456789\""),
        ("DATASOURCE_URL", "\"postgres://h/d\""),
        ("SERVER_AUTH_TOKENS", "\"0123456789abcdef\""),
        ("SERVER_AUTH_TOKEN_FILE", &file),
        ("SERVER_PORT", "\"8989\""),
    ] {
        let faults = faults("", &db1_with(name, value));
        assert!(faults.contains("in quotes") && !faults.contains("0123456789"), "{name}: {faults}");
    }
    let in_file = faults("yba.databases.x.api-token: ${T}\n", &[("T", "\"s\"")]);
    assert!(in_file.contains("in quotes"), "{in_file}");
    assert!(load("yba.databases.x: {api-token: \"quoted in YAML\"}\n", &[], &[]).is_ok());
}

#[test]
fn service_links_of_kubernetes_are_named() {
    for (name, value) in [
        ("SERVER_PORT", "tcp://10.0.0.1:8989"),
        ("YBA_API_TOKEN", "tcp://10.0.0.1:80"),
        ("DATASOURCE_URL", "tcp://10.0.0.1:5432"),
    ] {
        let faults = faults("", &db1_with(name, value));
        assert!(faults.contains("enableServiceLinks: false"), "{name}: {faults}");
    }
    assert!(
        faults("server.port: ${SERVER_PORT:1}", &[("SERVER_PORT", "tcp://10.0.0.1:1")])
            .contains("enableServiceLinks")
    );
    let others = [
        ("YBA_PORT", "tcp://10.0.0.1:80"),
        ("YBA_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("YBA_SERVICE_HOST", "10.0.0.1"),
        ("DATASOURCE_SERVICE_PORT", "1"),
    ];
    let all: Vec<_> = db1_variables().into_iter().chain(others).collect();
    assert_eq!(warnings(&loaded("", &all, &[])), "", "links that nothing reads are none of our business");
}

#[test]
fn what_a_description_left_open_is_a_fault_and_never_ready() {
    for (name, value) in [
        ("YBA_FULL_BACKUP_URL", "https://yba.example.com/api/v1/customers/<customer-uuid>/backups"),
        ("YBA_FULL_BACKUP_URL", "https://yba.example.com/api/v1/customers/%3Ccustomer-uuid%3E/backups"),
        ("YBA_FULL_BACKUP_URL", "https://yba.example.com/api/v1/customers/.../backups"),
        ("YBA_FULL_BACKUP_URL", "https://<yba-host>/api/v1/customers/c/backups"),
        ("YBA_UNIVERSE_UUID", "<universe-uuid>"),
        ("YBA_STORAGE_CONFIG_UUID", "..."),
        ("YBA_API_TOKEN", "<token>"),
        ("YBA_API_TOKEN", "{{ .Values.yba.token }}"),
        ("YBA_API_TOKEN", "$(YBA_TOKEN)"),
        ("YBA_API_TOKEN", "ENC(abcdef)"),
        ("YBA_API_TOKEN", "{cipher}abcdef"),
    ] {
        assert!(load("", &db1_with(name, value), &[]).is_err(), "{name}={value}");
    }
    let instance =
        "yba.instances.i: {base-url: 'https://yba/{path}', customer-uuid: <customer>, api-token: t}\n";
    assert_eq!(faults(instance, &[]).matches("placeholder of a description").count(), 2);
}

#[test]
fn an_address_of_yba_says_its_scheme_and_hides_its_tokens() {
    let bare = faults("", &db1_with("YBA_FULL_BACKUP_URL", "yba.example.com/api/v1/customers/c/backups"));
    assert!(bare.contains("yba.databases.db1.full-backup-url (environment YBA_FULL_BACKUP_URL)"), "{bare}");
    assert!(bare.contains("begins with https://"), "{bare}");
    assert!(faults("yba.instances.i.base-urls: [yba.example.com]\n", &[]).contains("begins with https://"));
    for address in
        ["https://s3cret@yba/api/v1/customers/c/backups", "https://u:s3cret@yba/api", "u:s3cret@yba/api"]
    {
        let faults = faults("", &db1_with("YBA_FULL_BACKUP_URL", address));
        assert!(!faults.contains("s3cret"), "{faults}");
    }
    let address = "https://yba.example.com/api/v1/customers/c/backups?limit=1&token=s3cret";
    let settings = loaded("", &db1_with("YBA_LAST_BACKUP_URL", address), &[]);
    let shown = format!("{settings:?} {settings:#?} {} {:?}", settings.explain(), settings.warnings());
    assert!(!shown.contains("s3cret") && shown.contains("limit=1&token=******"), "{shown}");
}

#[test]
fn zones_are_places() {
    for (zone, what) in [("IST", "an abbreviation"), ("+05:30", "an offset"), ("UTC+5", "an offset")] {
        let faults = faults("", &[("SERVER_ZONE", zone)]);
        assert!(
            faults.contains(&format!("`{zone}` is {what}")) && faults.contains("Asia/Kolkata"),
            "{faults}"
        );
    }
    assert!(load("", &[("SERVER_ZONE", "UTC")], &[]).is_ok());
}

#[test]
fn a_token_in_place_of_a_path_is_not_repeated() {
    for token in ["s3cret-0123456789", "s3cret/with/slashes==", "/s3cret", "eyJ.s3cret.x"] {
        for (name, key) in [
            ("YBA_API_TOKEN_FILE", ""),
            ("SERVER_AUTH_TOKEN_FILE", ""),
            ("X", "server.auth.token-file: ${X}\n"),
        ] {
            let mut variables = db1_variables();
            variables.retain(|(name, _)| *name != "YBA_API_TOKEN");
            variables.push((name, token));
            let faults = faults(key, &variables);
            assert!(faults.contains("a path is expected") && !faults.contains("s3cret"), "{faults}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_everybody_may_change_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "t-0123456789").expect("a file");
    let name = file.to_str().expect("plain text");
    let variables: Vec<_> = db1_with("YBA_API_TOKEN_FILE", name)
        .into_iter()
        .filter(|(name, _)| *name != "YBA_API_TOKEN")
        .collect();
    assert_eq!(warnings(&loaded("", &variables, &[])), "");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("a mode");
    assert!(warnings(&loaded("", &variables, &[])).contains("everybody on this machine may change the file"));
}

#[test]
fn categories_are_compared_in_every_alphabet() {
    let target = |key: &str, code: &str| {
        format!(
            "yba.databases.{key}: {{category-codes: {code}, full-backup-url: '{URL}', api-token: t, universe-uuid: {UNIVERSE}, storage-config-uuid: {STORAGE}}}\n"
        )
    };
    let faults = faults(&(target("a", "DÉPÔT") + &target("b", "dépôt")), &[]);
    assert!(faults.contains("`dépôt` of the target `b` belongs to the target `a`"), "{faults}");
}

#[test]
fn placeholders_see_the_files_own_properties_first() {
    let text = "app: {yba: 'https://yba.example.com', port: 90}\nserver.port: ${app.port}01\n\
                yba.instances.i: {base-url: '${app.yba:http://localhost:9000}', customer-uuid: c}\n";
    let settings = loaded(text, &[], &[]);
    assert_eq!(settings.server.port, 9001);
    assert_eq!(settings.instances["i"].base_urls[0].as_str(), "https://yba.example.com/");
    assert_eq!(
        loaded(text, &[("APP_PORT", "91")], &[]).server.port,
        9101,
        "a variable is stronger, as in Spring"
    );
    let nested = "a: ${b}\nb: ${c:9}\nserver.port: ${a}00\n";
    assert_eq!(loaded(nested, &[], &[]).server.port, 900);
    let circle = faults("a: ${b}\nb: ${a}\nserver.port: ${a}\n", &[]);
    assert!(
        circle.contains("server.port (application.yml:3): holds a placeholder whose value leads back to a"),
        "{circle}"
    );
    assert_eq!(loaded("server.port: ${none:${app.none:${third:77}}}", &[], &[]).server.port, 77);
    assert_eq!(
        loaded("", &[("SERVER_PORT", "${OTHER:88}")], &[]).server.port,
        88,
        "values of variables too, as in Spring"
    );
}

#[test]
fn json_and_arguments_are_sources_of_their_own() {
    let json = [
        (
            "SPRING_APPLICATION_JSON",
            r#"{"server": {"port": 7001, "wait-timeout": "3s"}, "other": [1, {"a": null}]}"#,
        ),
        ("SERVER_PORT", "7002"),
    ];
    let settings = loaded("server.port: 7000\n", &json, &[]);
    assert_eq!(settings.server.port, 7001, "stronger than a variable, as in Spring");
    assert_eq!(
        settings.explain().find("server.port").expect("a row").origin.to_string(),
        "environment SPRING_APPLICATION_JSON"
    );
    assert_eq!(loaded("", &json, &[("server.port", "7003")]).server.port, 7003);
    assert!(
        faults("", &[("SPRING_APPLICATION_JSON", r#"{"server": {"prot": 1}}"#)])
            .contains("server.prot (environment SPRING_APPLICATION_JSON): unknown key")
    );
    assert!(faults("", &[("SPRING_APPLICATION_JSON", "[1]")]).contains("expected a JSON object"));
}
