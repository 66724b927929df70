//! Secrets: from values and from files, and never in any text.

use std::path::PathBuf;

use backup_app::settings::AuthSettings;
use backup_app::{Environment, Sources};
use secrecy::ExposeSecret;

use crate::support::{connection, db1_variables, faults, load, loaded};

struct SecretFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl SecretFile {
    fn new(content: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        std::fs::write(&path, content).expect("a file");
        Self { _folder: folder, path }
    }

    fn path(&self) -> &str {
        self.path.to_str().expect("a path of plain text")
    }
}

/// The variables of `db1`, with a file instead of the token.
fn with_token_file(file: &SecretFile) -> Vec<(&'static str, &str)> {
    let mut variables = db1_variables();
    variables.retain(|(name, _)| *name != "YBA_API_TOKEN");
    variables.push(("YBA_API_TOKEN_FILE", file.path()));
    variables
}

#[test]
fn a_variable_may_name_a_file() {
    let file = SecretFile::new("s3cret\r\n");
    let settings = loaded("", &with_token_file(&file), &[]);
    assert_eq!(connection(&settings, "db1").api_token.expose_secret(), "s3cret");
    let origin = settings.explain().find("yba.databases.db1.api-token").unwrap().origin.to_string();
    assert_eq!(origin, format!("file {}, named by environment YBA_API_TOKEN_FILE", file.path()));
}

#[test]
fn a_key_may_name_a_file() {
    let file = SecretFile::new("s3cret\n");
    let text = format!(
        "yba.databases.db1.apiTokenFile: {0}\nspring.datasource.url: postgres://h/d\nspring.datasource.password-file: {0}\nserver.auth.tokens-file: {0}\n",
        file.path()
    );
    let variables: Vec<_> =
        db1_variables().into_iter().filter(|(name, _)| *name != "YBA_API_TOKEN").collect();
    let settings = loaded(&text, &variables, &[]);
    assert_eq!(connection(&settings, "db1").api_token.expose_secret(), "s3cret");
    assert_eq!(settings.datasource.password.unwrap().expose_secret(), "s3cret");
    assert!(matches!(settings.server.auth, AuthSettings::Tokens(_)));
}

#[test]
fn a_file_of_tokens_holds_one_on_every_line() {
    let file = SecretFile::new("0123456789abcdef\nfedcba9876543210\n");
    let settings = loaded("", &[("SERVER_AUTH_TOKENS_FILE", file.path())], &[]);
    let AuthSettings::Tokens(tokens) = &settings.server.auth else { panic!() };
    assert_eq!(
        tokens.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(),
        ["0123456789abcdef", "fedcba9876543210"]
    );
}

#[test]
fn a_placeholder_of_a_secret_may_be_filled_by_a_file() {
    let file = SecretFile::new("s3cret\n");
    let text = "yba.databases.db1.api-token: ${YBA_API_TOKEN}\n";
    let settings = loaded(text, &with_token_file(&file), &[]);
    assert_eq!(connection(&settings, "db1").api_token.expose_secret(), "s3cret");
}

#[test]
fn both_forms_in_one_place_are_a_fault_and_the_stronger_place_wins() {
    let file = SecretFile::new("from-file\n");
    let mut both = with_token_file(&file);
    both.push(("YBA_API_TOKEN", "s3cret"));
    let text = faults("", &both).replace(file.path(), "FILE");
    assert!(!text.contains("s3cret"));
    insta::assert_snapshot!(text, @"
    the configuration has a fault:
      yba.databases.db1.api-token (environment YBA_API_TOKEN): is given twice: here, and as a file in environment YBA_API_TOKEN_FILE
    ");

    let mut variables = db1_variables();
    variables.push(("YBA_DATABASES_DB1_API_TOKEN_FILE", file.path()));
    let settings = loaded("yba.databases.db1.api-token: weaker\n", &variables, &[]);
    assert_eq!(connection(&settings, "db1").api_token.expose_secret(), "from-file");
}

#[test]
fn a_file_that_cannot_be_used_is_a_fault() {
    let empty = SecretFile::new("\n");
    let text =
        faults("datasource: {url: postgres://h/d, password-file: /no/such/file}\n", &with_token_file(&empty));
    insta::assert_snapshot!(text.replace(empty.path(), "FILE"), @"
    the configuration has 2 faults:
      datasource.password (application.yml:1): the file that it names (a path is expected; it is not shown, because it may be the secret itself) cannot be read: No such file or directory (os error 2)
      yba.databases.db1.api-token (environment YBA_API_TOKEN_FILE): the file FILE is empty
    ");
}

#[test]
fn a_secret_with_a_line_break_is_a_fault() {
    insta::assert_snapshot!(faults("datasource.url: postgres://h/d", &[("DATASOURCE_PASSWORD", "a\nb")]), @"
    the configuration has a fault:
      datasource.password (environment DATASOURCE_PASSWORD): holds a line break or another control character
    ");
}

#[test]
fn tokens_keep_their_text() {
    for token in ["00123", "1e5", "true", "0x10", "'quoted'"] {
        let settings = loaded(
            &format!("yba.databases.db1.api-token: {token}\n"),
            &[],
            &[
                ("yba.databases.db1.instance", "i"),
                ("yba.instances.i.base-url", "https://yba"),
                ("yba.instances.i.customer-uuid", "c"),
                ("yba.databases.db1.universe-uuid", "u"),
                ("yba.databases.db1.storage-config-uuid", "s"),
            ],
        );
        assert_eq!(connection(&settings, "db1").api_token.expose_secret(), token.trim_matches('\''));
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let file = SecretFile::new("s3cret-file\n");
    let variables = [
        ("YBA_API_TOKEN", "s3cret-1"),
        ("YBA_FULL_BACKUP_URL", crate::support::URL),
        ("YBA_UNIVERSE_UUID", "u"),
        ("YBA_STORAGE_CONFIG_UUID", "s"),
        ("DATASOURCE_URL", "postgres://u:s3cret-2@h/db?password=s3cret-3"),
        ("DATASOURCE_PASSWORD", "s3cret-4"),
        ("SERVER_AUTH_TOKENS", "s3cret-5,s3cret-6"),
        ("SERVER_AUTH_TOKEN_FILE", file.path()),
    ];
    let flags = [("yba.instances.i.api-token", "s3cret-7")];
    let settings = loaded("", &variables, &flags);
    let rows = format!("{:?} {:#?}", settings.explain(), settings.explain());
    let json = serde_json::to_string(settings.explain()).unwrap();
    let environment = Environment::from_iter(variables);
    let overrides = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let sources = Sources { environment, overrides, ..Sources::default() };
    let everything = format!(
        "{settings:?} {settings:#?} {} {rows} {json} {:?} {sources:?}",
        settings.explain(),
        settings.warnings()
    );
    assert!(!everything.contains("s3cret"), "{everything}");

    let mut broken = variables.to_vec();
    broken.extend([
        ("DATASOURCE_PASSWORD_FILE", file.path()),
        ("SERVER_PORT", "x"),
        ("SERVER_AUTH_MODE", "nobody"),
    ]);
    let error = load("", &broken, &flags).unwrap_err();
    assert!(!format!("{error} {error:?} {error:#?}").contains("s3cret"));
}
