//! Where records go: one address among all the keys that may hold it, or a fault. Never a private file by mistake.

use crate::support::{faults, load, loaded, sources, warnings};

const SERVER: &str = "jdbc:postgresql://h/d";

fn address(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> String {
    loaded(text, variables, flags).datasource.url.expose().to_owned()
}

#[test]
fn every_supported_key_holds_the_address() {
    for key in [
        "datasource.url",
        "spring.datasource.url",
        "spring.datasource.hikari.jdbc-url",
        "spring.datasource.hikari.jdbcUrl",
    ] {
        let text = format!("{key}: ${{NONE:{SERVER}}}\n");
        assert_eq!(address(&text, &[], &[]), SERVER, "{key}");
        assert_eq!(address("", &[], &[(key, SERVER)]), SERVER, "{key}");
        let json = serde_json::json!({ key: SERVER }).to_string();
        assert_eq!(address("", &[("SPRING_APPLICATION_JSON", &json)], &[]), SERVER, "{key}");
    }
    for variable in [
        "DATASOURCE_URL",
        "SPRING_DATASOURCE_URL",
        "SPRING_DATASOURCE_HIKARI_JDBC_URL",
        "SPRING_DATASOURCE_HIKARI_JDBCURL",
        "spring.datasource.url",
        "spring_datasource_hikari_jdbc_url",
    ] {
        assert_eq!(address("", &[(variable, SERVER)], &[]), SERVER, "{variable}");
    }
}

#[test]
fn hikaris_own_settings_are_stronger_and_what_they_hide_is_said() {
    let text = "spring.datasource:\n  url: jdbc:postgresql://other/d\n  username: a\n  hikari: {jdbc-url: 'jdbc:postgresql://h/d', username: b, password: c}\n";
    let settings = loaded(text, &[], &[]);
    assert_eq!(settings.datasource.url.expose(), SERVER);
    assert_eq!(settings.datasource.username.as_deref(), Some("b"));
    assert!(settings.datasource.password.is_some());
    assert!(
        warnings(&settings)
            .contains("spring.datasource.hikari.jdbc-url: `spring.datasource.url` is set too, and not used")
    );
}

#[test]
fn an_address_that_nothing_reads_is_refused_by_name() {
    for key in [
        "spring.datasource.primary.url",
        "spring.datasource.primary.jdbc-url",
        "spring.datasource.jdbc-url",
        "spring.datasource.jndi-name",
        "spring.datasource.hikari.data-source-properties.serverName",
        "spring.datasource.hikari.data-source-class-name",
        "spring.datasource.tomcat.url",
        "spring.datasource.batch.username",
        "spring.datasource.embedded-database-connection",
        "spring.r2dbc.url",
        "spring.jpa.properties.hibernate.connection.url",
    ] {
        for text in [format!("{key}: x\n"), format!("{key}: x\ndatasource.url: {SERVER}\n")] {
            assert!(
                faults(&text, &[]).contains(&format!(
                    "{key} (application.yml:1): is not supported: it says where the database is"
                )),
                "{text}{}",
                faults(&text, &[])
            );
        }
        assert!(load("", &[], &[(key, "x")]).unwrap_err().to_string().contains(key), "{key}");
        let json = serde_json::json!({ key: "x" }).to_string();
        assert!(faults("", &[("SPRING_APPLICATION_JSON", &json)]).contains(key), "{key}");
    }
    for variable in [
        "SPRING_DATASOURCE_PRIMARY_URL",
        "SPRING_DATASOURCE_JNDI_NAME",
        "SPRING_DATASOURCE_JNDINAME",
        "SPRING_R2DBC_URL",
        "spring.datasource.primary.url",
    ] {
        assert!(
            faults("", &[(variable, "x")])
                .contains(&format!("{variable} (environment {variable}): is not supported")),
            "{variable}"
        );
    }
}

#[test]
fn an_address_under_any_other_name_is_not_overlooked() {
    for text in [
        "app.datasource.url: jdbc:postgresql://h/d\n",
        "my: {db: {jdbc-url: '${X:jdbc:yugabytedb://h/d}'}}\n",
        "records: [r2dbc:postgresql://h/d]\n",
    ] {
        assert!(faults(text, &[]).contains("says where the database is"), "{text}");
        assert!(load(&format!("{text}datasource.url: {SERVER}\n"), &[], &[]).is_ok(), "{text}");
    }
}

#[test]
fn whatever_means_a_server_needs_an_address() {
    for (text, variables) in [
        ("spring.datasource.username: u\n", &[][..]),
        ("spring.datasource.password: ${P:}\n", &[]),
        ("spring.datasource.url: ${DATASOURCE_URL:}\n", &[]),
        ("spring.datasource.url:\n", &[]),
        ("spring.datasource.hikari.username: u\n", &[]),
        ("spring.datasource.driver-class-name: org.postgresql.Driver\n", &[]),
        ("", &[("DATASOURCE_URL", "")]),
        ("", &[("DATASOURCE_USERNAME", "u")]),
        ("", &[("DATASOURCE_PASSWORD", "p")]),
        ("", &[("DATASOURCE_PASSWORD_FILE", "/dev/null")]),
        ("", &[("DATASOURCE_DRIVER_CLASS_NAME", "com.yugabyte.Driver")]),
        ("", &[("DATASOURCE_SSL_ENABLE", "false")]),
        ("", &[("DATASOURCE_SSL_MODE", "disable")]),
        ("", &[("SPRING_DATASOURCE_USERNAME", "u")]),
    ] {
        let faults = faults(text, variables);
        assert!(faults.contains("would go to a private SQLite file"), "{text}{variables:?}: {faults}");
    }
    for fine in [
        "",
        "spring.datasource.hikari.maximum-pool-size: 3\n",
        "spring.datasource.driver-class-name: org.sqlite.JDBC\n",
        "datasource.url: 'sqlite:x.db'\n",
    ] {
        assert!(load(fine, &[], &[]).is_ok(), "{fine}");
    }
    assert!(
        faults("datasource: {url: 'sqlite:x.db', driver-class-name: com.yugabyte.Driver}\n", &[])
            .contains("is no address for the driver")
    );
}

#[test]
fn keys_that_are_missed_have_one_warning_each() {
    let text = "management.server.port: 9090\nserver: {servlet.context-path: /x, ssl.enabled: true}\n\
                spring: {flyway.enabled: false, webflux.base-path: /y, jackson.x: 1}\n";
    insta::assert_snapshot!(warnings(&loaded(text, &[], &[])), @"
    yba.databases: no target is configured: there is nothing to back up
    server.ssl (application.yml:2): is a setting of Spring's that has no meaning here; it is ignored
    management.server.port (application.yml:1): is a setting of Spring's that has no meaning here: everything is served at `server.port`
    server.servlet.context-path (application.yml:2): is a setting of Spring's that has no meaning here: the paths have no prefix
    spring.webflux.base-path (application.yml:3): is a setting of Spring's that has no meaning here: the paths have no prefix
    spring.flyway.enabled (application.yml:3): is a setting of Spring's that has no meaning here: `datasource.migrate` says whether tables are made
    ");
}

#[test]
fn no_form_of_a_mistyped_address_shows_its_password() {
    for address in [
        "postgres:/user:s3cret@h/d",
        "sqlite://user:s3cret@h/d",
        "postgres:user:s3cret@h",
        "postgres://user:s3cret",
        "postgresql//user:s3cret@h",
        "jdbc:postgres://user:s3cret@h",
        "jdbc:postgresql:/user:s3cret@h/d?ssl=true",
        "\"postgres://user:s3cret@h/d\"",
        "user:s3cret@h/d",
    ] {
        for variables in [[("DATASOURCE_URL", address)], [("SPRING_DATASOURCE_URL", address)]] {
            let shown = match load("", &variables, &[]) {
                Ok(settings) => format!("{settings:?} {} {:?}", settings.explain(), settings.warnings()),
                Err(error) => format!("{error} {error:?}"),
            };
            assert!(!shown.contains("s3cret"), "{address}: {shown}");
        }
        let sources = sources(&[("DATASOURCE_URL", address)], &[]);
        assert!(
            !format!("{sources:?} {:?}", backup_app::Settings::examine(&sources)).contains("s3cret"),
            "{address}"
        );
    }
}
