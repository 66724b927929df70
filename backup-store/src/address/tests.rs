//! Addresses as people write them.

use secrecy::ExposeSecret;

use super::*;

fn server_of(url: &str) -> Server {
    match Address::parse(url) {
        Ok(Address::Postgres(server)) => *server,
        other => panic!("{url}: {other:?}"),
    }
}

fn hosts(server: &Server) -> Vec<(&str, u16)> {
    server.hosts.iter().map(|host| (host.name.as_str(), host.port)).collect()
}

fn password(server: &Server) -> Option<&str> {
    server.password.as_ref().map(ExposeSecret::expose_secret)
}

#[test]
fn sqlite_addresses_name_a_file_or_memory() {
    let path = |url: &str| match Address::parse(url) {
        Ok(Address::Sqlite(path)) => path,
        other => panic!("{url}: {other:?}"),
    };
    assert_eq!(path("sqlite:backup.db"), Some("backup.db".into()));
    assert_eq!(path("sqlite:///var/lib/a%20b.db"), Some("/var/lib/a b.db".into()));
    assert_eq!(path("sqlite:/var/lib/b.db?mode=rwc"), Some("/var/lib/b.db".into()));
    assert_eq!(path("sqlite://relative/b.db"), Some("relative/b.db".into()));
    assert_eq!(path("sqlite::memory:"), None);
    for wrong in ["sqlite:", "sqlite:b.db?cache=shared"] {
        assert!(Address::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_postgres_address_has_user_password_host_and_database() {
    let server =
        server_of("postgres://us%65r:p%40ss%2Fw@db.example:6432/app?sslmode=require&application_name=x");
    assert_eq!(hosts(&server), [("db.example", 6432)]);
    assert_eq!(server.user.as_deref(), Some("user"));
    assert_eq!(password(&server), Some("p@ss/w"));
    assert_eq!(server.database.as_deref(), Some("app"));
    assert_eq!(server.ssl.mode.as_deref(), Some("require"));
    assert_eq!(server.application_name.as_deref(), Some("x"));
}

#[test]
fn a_socket_is_a_host_that_begins_with_a_slash() {
    for url in [
        "postgres:///app?host=/run/pg&port=5544&user=u",
        "postgresql://%2Frun%2Fpg/app?port=5544&user=u",
        "postgres://u@/app?port=5544&host=%2Frun%2Fpg",
    ] {
        let server = server_of(url);
        assert_eq!(server.socket, Some("/run/pg".into()), "{url}");
        assert_eq!(hosts(&server), [("/run/pg", 5544)], "{url}");
        assert_eq!(server.database.as_deref(), Some("app"), "{url}");
        assert_eq!(server.user.as_deref(), Some("u"), "{url}");
    }
}

#[test]
fn a_jdbc_address_names_several_hosts() {
    let server = server_of("jdbc:yugabytedb://h1:5500,h2,[::1]:5501/app");
    assert_eq!(hosts(&server), [("h1", 5500), ("h2", 5433), ("::1", 5501)]);
    assert_eq!(hosts(&server_of("jdbc:postgresql://h1/app")), [("h1", 5432)]);
    assert_eq!(hosts(&server_of("jdbc:postgresql:app")), [("localhost", 5432)]);
    assert_eq!(server_of("jdbc:postgresql:/").database, None);
    assert_eq!(server_of("jdbc:postgresql:app").database.as_deref(), Some("app"));
}

#[test]
fn jdbc_parameters_have_their_meaning() {
    let server = server_of(
        "jdbc:yugabytedb://h/app?user=u&password=a+b%2B&currentSchema=epricing,%20public&ApplicationName=orchestrator\
         &sslmode=verify-ca&ssl=true&sslrootcert=/ca.pem&connectTimeout=7&socketTimeout=0&loginTimeout=9\
         &options=-c%20lock_timeout=5s%20--work_mem=8MB%20-cb.c=d%5C%20e&prepareThreshold=5&tcpKeepAlive=true&frobnicate=1\
         &load-balance=prefer-primary&topology-keys=aws.eu.*:2,aws.us.a&yb-servers-refresh-interval=9999",
    );
    assert_eq!((server.user.as_deref(), password(&server)), (Some("u"), Some("a b+")));
    assert_eq!(server.schemas, ["epricing", "public"]);
    assert_eq!(server.application_name.as_deref(), Some("orchestrator"));
    assert_eq!(server.ssl.mode.as_deref(), Some("verify-ca"), "sslmode wins over ssl");
    assert_eq!(server.ssl.root_cert, Some("/ca.pem".into()));
    assert_eq!(server.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(server.login_timeout, Some(Duration::from_secs(9)));
    assert_eq!(server.statement_timeout, None);
    let settings: Vec<_> =
        server.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(settings, [("lock_timeout", "5s"), ("work_mem", "8MB"), ("b.c", "d e")]);
    assert_eq!(server.java_only, ["prepareThreshold", "tcpKeepAlive"]);
    assert_eq!(server.unknown, ["frobnicate"]);
    assert_eq!(server.balance.nodes, Nodes::PreferPrimary);
    assert_eq!(server.balance.zones[0].name.as_deref(), Some("a"));
    assert_eq!(server.balance.zones[1].name, None);
    assert_eq!(server.balance.refresh, Duration::from_mins(10));
}

#[test]
fn ssl_without_a_mode_means_the_strictest() {
    for url in [
        "jdbc:postgresql://h/app?ssl=true",
        "jdbc:postgresql://h/app?ssl",
        "jdbc:postgresql://h/app?ssl=true&x",
    ] {
        assert_eq!(server_of(url).ssl.mode.as_deref(), Some("verify-full"), "{url}");
    }
    assert_eq!(
        server_of("jdbc:postgresql://h/app?ssl=true&sslmode=require").ssl.mode.as_deref(),
        Some("require")
    );
    assert_eq!(server_of("jdbc:postgresql://h/app?ssl=false").ssl.mode, None);
}

#[test]
fn a_faulty_address_is_refused_without_its_password() {
    for url in [
        "mysql://u:secret@h/app",
        "jdbc:postgresql://u:secret@h:99999/app",
        "jdbc:postgresql://u:secret@h/app?sslmode=maybe",
        "jdbc:postgresql://h/app?connectTimeout=soon&password=secret",
        "jdbc:postgresql://h/app?password=secret%zz",
        "jdbc:yugabytedb://h/app?password=secret&topology-keys=aws.*.a",
        "jdbc:yugabytedb://h/app?password=secret&load-balance=maybe",
        "postgres://u:sec/secret@:1/app",
    ] {
        let error = Address::parse(url).expect_err(url);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn a_mistyped_user_and_password_are_refused_and_not_shown() {
    for url in [
        "postgres:/user:secret@h/app",
        "postgres:user:secret@h/app",
        "postgres://user:secret",
        "postgres://h/user:secret@h2",
        "postgres://user:secret?x@h/app",
        "jdbc:postgresql:user:secret@h/app",
        "jdbc:postgresql:/user:secret@h/app",
        "jdbc:postgresql://h/app?sslmode=require;password=secret",
        "jdbc:postgresql://h/app?load-balance=secret",
        "jdbc:yugabytedb://h/app?topology-keys=secret",
        "sqlite://user:secret@h/app",
        "sqlite:user:secret@h",
        "sqlite:b.db?password=secret",
        "user:secret@h/app",
        "secret",
    ] {
        let error = Address::parse(url).expect_err(url);
        let text = format!("{error} {error:?}");
        assert!(!text.contains("secret"), "{url}: {text}");
    }
}

#[test]
fn a_server_that_takes_writes_may_be_asked_for_and_no_other() {
    for wanted in ["primary", "master", "any", "preferPrimary", "preferSecondary"] {
        let server = server_of(&format!("jdbc:postgresql://h1,h2/app?targetServerType={wanted}"));
        assert_eq!((server.unknown.len(), server.java_only.len()), (0, 0), "{wanted}");
    }
    for wanted in ["read-write", "primary", "any", "prefer-standby"] {
        server_of(&format!("postgres://h1,h2/app?target_session_attrs={wanted}"));
    }
    for wanted in
        ["targetServerType=secondary", "target_session_attrs=standby", "target_session_attrs=read-only"]
    {
        let error = Address::parse(&format!("postgres://h1,h2/app?{wanted}")).expect_err(wanted);
        assert!(error.to_string().contains("read only"), "{error}");
    }
    assert!(Address::parse("postgres://h/app?target_session_attrs=tertiary").is_err());
}
