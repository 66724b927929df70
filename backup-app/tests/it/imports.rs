//! Files that other files, variables and arguments name: what is found, what wins, and what is refused.

use std::path::{Path, PathBuf};

use backup_app::{ConfigError, Settings, Sources};

use crate::support::{STORAGE, UNIVERSE, URL, connection, sources, warnings};

/// A folder of files that is gone after the test.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        for (name, text) in files {
            let path = folder.path(name);
            std::fs::create_dir_all(path.parent().expect("below the folder")).expect("a folder in it");
            std::fs::write(path, text.replace("FOLDER", &folder.text(""))).expect("a file");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("a path of plain text").to_owned()
    }

    /// The settings of a file of the folder.
    fn load(&self, file: &str, variables: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::load(&Sources { file: Some(self.path(file)), ..sources(variables, &[]) })
    }

    fn port(&self, file: &str, variables: &[(&str, &str)]) -> u16 {
        self.load(file, variables).unwrap_or_else(|error| panic!("{error}")).server.port
    }

    fn faults(&self, file: &str, variables: &[(&str, &str)]) -> String {
        let error = self.load(file, variables).expect_err("there should be faults");
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error} {cause}").replace(&self.text(""), "FOLDER/")
    }
}

fn port(variables: &[(&str, &str)]) -> u16 {
    Settings::load(&sources(variables, &[])).unwrap_or_else(|error| panic!("{error}")).server.port
}

#[test]
fn what_is_imported_is_stronger_and_the_later_import_wins() {
    let folder = Folder::with(&[
        (
            "a.yml",
            "spring.config.import: [b.yml, 'optional:missing.yml', 'file:FOLDER/c.yml']\nserver.port: 1\n",
        ),
        ("b.yml", "server.port: 2\nserver.wait-timeout: 2s\n"),
        ("c.yml", "server.port: 3\n"),
    ]);
    let settings = folder.load("a.yml", &[]).expect("no faults");
    assert_eq!((settings.server.port, settings.server.wait_timeout.as_secs()), (3, 2));
    let origin = settings.explain().find("server.port").expect("a row").origin.to_string();
    assert_eq!(origin, format!("{}/c.yml:1", folder.text("")));
}

#[test]
fn imports_are_relative_to_their_file_and_a_circle_ends() {
    let folder = Folder::with(&[
        ("a.yml", "spring.config.import: sub/b.yml\n"),
        ("sub/b.yml", "spring.config.import: 'deep/c.yml, ../a.yml'\nserver.port: 2\n"),
        ("sub/deep/c.yml", "spring.config.import: ../b.yml\nserver.port: 3\n"),
    ]);
    assert_eq!(folder.port("a.yml", &[]), 3);
}

#[test]
fn a_later_document_is_stronger_than_what_an_earlier_one_imports() {
    let folder = Folder::with(&[
        ("a.yml", "spring.config.import: b.yml\n---\nserver.port: 1\n"),
        ("b.yml", "server.port: 2\n"),
    ]);
    assert_eq!(folder.port("a.yml", &[]), 1);
}

#[test]
fn imported_files_may_choose_profiles_and_hold_documents_of_profiles() {
    let folder = Folder::with(&[
        (
            "a.yml",
            "spring.config.import: b.yml\n---\nspring.config.activate.on-profile: p\nspring.config.import: d.yml\n",
        ),
        ("b.yml", "spring.profiles.active: p\n---\nspring.config.activate.on-profile: p\nserver.port: 2\n"),
        ("d.yml", "server.wait-timeout: 4s\n"),
    ]);
    let settings = folder.load("a.yml", &[]).expect("no faults");
    assert_eq!((settings.server.port, settings.server.wait_timeout.as_secs()), (2, 4));
}

#[test]
fn the_place_of_an_import_may_be_a_placeholder() {
    let folder = Folder::with(&[
        ("a.yml", "spring.config.import: 'file:${BASE}/${stage:x}.yml'\nstage: uat\n"),
        ("uat.yml", "server.port: 2\n"),
    ]);
    let base = folder.text("");
    assert_eq!(folder.port("a.yml", &[("BASE", base.trim_end_matches('/'))]), 2);
}

#[test]
fn files_of_profiles_lie_beside_each_file() {
    let folder = Folder::with(&[
        ("a.yml", "spring.config.import: b.yml\nserver.port: 1\n"),
        ("a-p.yml", "server.port: 10\n"),
        ("a-q.yml", "server.port: 11\n"),
        ("a-default.yml", "server.port: 12\n"),
        ("b.yml", "server.wait-timeout: 2s\n"),
        ("b-p.yml", "server.wait-timeout: 20s\n"),
    ]);
    assert_eq!(folder.port("a.yml", &[]), 12, "without a profile `default` is active");
    assert_eq!(folder.port("a.yml", &[("APP_ENV", "p")]), 10);
    assert_eq!(folder.port("a.yml", &[("APP_ENV", "p,q")]), 11);
    let settings = folder.load("a.yml", &[("APP_ENV", "p")]).expect("no faults");
    assert_eq!(settings.server.wait_timeout.as_secs(), 20);
    let wrong = Folder::with(&[("a.yml", "a: 1"), ("a-p.yml", "spring.profiles.active: q")]);
    assert!(
        wrong
            .faults("a.yml", &[("APP_ENV", "p")])
            .contains("cannot stand in a document or a file of a profile")
    );
}

#[test]
fn locations_stand_in_place_of_the_file_and_additional_ones_beside_it() {
    let folder = Folder::with(&[
        ("one/application.yml", "server: {port: 1, wait-timeout: 1s}\n"),
        ("one/application-p.yml", "server.port: 2\n"),
        ("two.yml", "server.port: 3\n"),
        ("three.yml", "server.port: 4\n"),
    ]);
    let place = |name: &str| format!("file:{}", folder.text(name));
    let (one, two, three) = (place("one/"), place("two.yml"), place("three.yml"));
    assert_eq!(port(&[("SPRING_CONFIG_LOCATION", &one)]), 1);
    assert_eq!(port(&[("SPRING_CONFIG_LOCATION", &one), ("SPRING_PROFILES_ACTIVE", "p")]), 2);
    assert_eq!(port(&[("SPRING_CONFIG_LOCATION", &format!("{one},{two}"))]), 3);
    assert_eq!(port(&[("SPRING_CONFIG_LOCATION", &format!("{two};{one}"))]), 1);
    assert_eq!(port(&[("SPRING_CONFIG_LOCATION", &one), ("SPRING_CONFIG_ADDITIONAL_LOCATION", &two)]), 3);
    assert_eq!(port(&[("SPRING_CONFIG_LOCATION", &two), ("SPRING_CONFIG_ADDITIONALLOCATION", &one)]), 1);
    let all = [
        ("SPRING_CONFIG_LOCATION", one.as_str()),
        ("SPRING_CONFIG_ADDITIONAL_LOCATION", &two),
        ("SPRING_CONFIG_IMPORT", &three),
    ];
    assert_eq!(port(&all), 4, "an import of the environment is the strongest");
    assert!(
        folder
            .faults("two.yml", &[("SPRING_CONFIG_LOCATION", &one)])
            .contains("SPRING_CONFIG_LOCATION): is set beside")
    );
    let flags = [("spring.config.location", two.as_str())];
    assert_eq!(Settings::load(&sources(&[], &flags)).expect("no faults").server.port, 3);
}

#[test]
fn a_missing_place_is_a_fault_unless_it_is_optional() {
    let folder = Folder::with(&[("a.yml", "spring.config.import: missing.yml\n"), ("empty/x.txt", "")]);
    assert!(
        folder.faults("a.yml", &[]).contains(
            "spring.config.import (FOLDER/a.yml:1): FOLDER/missing.yml cannot be read: No such file"
        )
    );
    let refused = |location: &str| {
        let variables = [("SPRING_CONFIG_LOCATION", location)];
        Settings::load(&sources(&variables, &[])).expect_err("there should be faults").to_string()
    };
    let empty = folder.text("empty/");
    assert!(refused(&format!("file:{empty}")).contains("holds no application.yml"));
    assert!(refused("file:/no/such/folder/").contains("holds no application.yml"));
    assert!(refused("configtree:/no/such/folder/").contains("cannot be read: No such file"));
    assert!(refused("optional:configserver:http://c").contains("`configserver:` is not supported"));
    assert!(
        Settings::load(&sources(&[("SPRING_CONFIG_LOCATION", "optional:file:/no/such.yml")], &[])).is_ok()
    );
}

#[test]
fn a_tree_of_secrets_fills_placeholders_and_keys() {
    let folder = Folder::with(&[
        (
            "a.yml",
            "spring.config.import: 'optional:configtree:secrets/, configtree:FOLDERsecrets/'\n\
                   yba.databases.x: {api-token: '${YBA_API_TOKEN}', category-codes: A}\n",
        ),
        ("secrets/YBA_API_TOKEN", "t-0123456789\n"),
        ("secrets/server/port", "9001\n"),
        ("secrets/server.wait-timeout", "7s"),
        ("secrets/..2026/hidden", "x"),
    ]);
    let settings = folder.load("a.yml", &[]).expect("no faults");
    assert_eq!((settings.server.port, settings.server.wait_timeout.as_secs()), (9001, 7));
    let table = settings.explain().to_string();
    assert!(!table.contains("t-0123456789"), "{table}");
    let origin = settings.explain().find("server.port").expect("a row").origin.to_string();
    assert_eq!(origin, format!("configtree {}", folder.text("secrets/server/port")));
}

#[cfg(unix)]
#[test]
fn a_secret_as_kubernetes_mounts_it_is_read_once() {
    let folder = Folder::with(&[
        ("secrets/..2026_01/server.port", "9001\n"),
        ("a.yml", "spring.config.import: configtree:FOLDERsecrets/\n"),
    ]);
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path(name)).expect("a link");
    link("..2026_01", "secrets/..data");
    link("..data/server.port", "secrets/server.port");
    assert_eq!(folder.port("a.yml", &[]), 9001);
}

#[test]
fn several_trees_are_read_in_the_order_of_their_names() {
    let folder = Folder::with(&[
        ("trees/a/server.port", "9001"),
        ("trees/b/server.port", "9002"),
        ("a.yml", "spring.config.import: configtree:FOLDERtrees/*/\n"),
    ]);
    assert_eq!(folder.port("a.yml", &[]), 9002);
}

#[test]
fn without_a_file_a_tree_fills_the_originals_variables() {
    let folder =
        Folder::with(&[("secrets/YBA_API_TOKEN", "t-0123456789\n"), ("secrets/DATASOURCE_PASSWORD", "p\n")]);
    let place = format!("configtree:{}", folder.text("secrets/"));
    let settings = Settings::load(&sources(
        &[
            ("SPRING_CONFIG_IMPORT", &place),
            ("DATASOURCE_URL", "postgres://u@h/d"),
            ("YBA_FULL_BACKUP_URL", URL),
            ("YBA_UNIVERSE_UUID", UNIVERSE),
            ("YBA_STORAGE_CONFIG_UUID", STORAGE),
        ],
        &[],
    ))
    .unwrap_or_else(|error| panic!("{error}"));
    connection(&settings, "db1");
    assert_eq!(warnings(&settings), "");
}

#[test]
fn other_forms_of_files_are_named() {
    for (name, text, why) in [
        ("a.properties", &b"server.port=1\n"[..], ".properties"),
        ("a.yml", b"server.port=1\nserver.address=0.0.0.0\n", ".properties"),
        ("b.yml", b"\xff\xfes\0e\0", "UTF-16"),
        ("c.yml", b"\xfe\xff\0s\0e", "UTF-16"),
        ("d.yml", b"a: caf\xe9\n", "not UTF-8"),
    ] {
        let folder = Folder::with(&[]);
        std::fs::write(folder.path(name), text).expect("a file");
        let faults = folder.faults(name, &[]);
        assert!(faults.contains(why), "{name}: {faults}");
    }
    let folder = Folder::with(&[("a.yml", "\u{feff}server.port: 9001\n")]);
    assert_eq!(folder.port("a.yml", &[]), 9001, "a byte order mark of UTF-8 is fine");
    let folder = Folder::with(&[("f/application.yml", "a: 1"), ("f/application.properties", "a=2")]);
    let place = format!("file:{}", folder.text("f/"));
    let error = Settings::load(&sources(&[("SPRING_CONFIG_LOCATION", &place)], &[])).expect_err("two forms");
    assert!(error.to_string().contains(".properties file is not supported"), "{error}");
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_refused_and_not_waited_for() {
    let folder = Folder::with(&[
        ("a.yml", "spring.config.import: file:FOLDERpipe.yml\n"),
        ("b.yml", "server.auth.token-file: FOLDERpipe.yml\n"),
    ]);
    let made =
        std::process::Command::new("mkfifo").arg(folder.path("pipe.yml")).status().expect("mkfifo runs");
    assert!(made.success());
    for faults in [folder.faults("pipe.yml", &[]), folder.faults("a.yml", &[]), folder.faults("b.yml", &[])] {
        assert!(faults.contains("it is not a regular file"), "{faults}");
    }
    let ca = [("YBA_CA_CERTIFICATE", folder.text("pipe.yml"))];
    let ca: Vec<_> = ca.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let error = Settings::load(&sources(&ca, &[])).expect_err("a pipe is no certificate");
    assert!(error.to_string().contains("it is not a regular file"), "{error}");
    for device in ["/dev/zero", "/"] {
        let sources = Sources { file: Some(Path::new(device).to_owned()), ..Sources::default() };
        assert!(Settings::load(&sources).is_err());
    }
}

#[test]
fn a_file_of_any_size_is_read_only_to_a_bound() {
    let folder = Folder::with(&[("a.yml", "")]);
    let file = std::fs::File::options().write(true).open(folder.path("a.yml")).expect("a file");
    file.set_len(64 * 1024 * 1024 * 1024).expect("a hole");
    assert!(folder.faults("a.yml", &[]).contains("larger than"));
}

#[test]
fn more_files_than_a_configuration_has_are_refused_instead_of_left_out() {
    let names: Vec<String> = (0..250).map(|n| format!("part-{n}.yml")).collect();
    let first = format!("spring.config.import: [{}]\n", names.join(", "));
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "server.port: 2\n")).collect();
    files.push(("first.yml", &first));
    let folder = Folder::with(&files);
    let faults = folder.faults("first.yml", &[]);
    assert!(faults.contains("more than 200 files are imported"), "{faults}");
}
