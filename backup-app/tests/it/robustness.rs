//! No text makes the loader panic, and none makes it show a secret.

use backup_app::{Environment, Settings, Sources};
use proptest::prelude::*;

/// Pieces that are likely to reach deep into the loader.
fn piece() -> impl Strategy<Value = String> {
    let words = [
        "yba",
        "databases",
        "db1",
        "db2",
        "instances",
        "api-token",
        "server",
        "port",
        "logging",
        "level",
        "root",
        "spring",
        "profiles",
        "active",
        "on-profile",
        "config",
        "activate",
        "datasource",
        "url",
        ": ",
        ":\n",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        ".",
        "..",
        "${",
        "}",
        ":",
        "${A}",
        "${A:${B:",
        "\\",
        "&a ",
        "*a",
        "<<",
        "---\n",
        "[",
        "]",
        "{",
        "}",
        ",",
        "'",
        "\"",
        "|",
        ">",
        "#",
        "!",
        "!!str ",
        "%",
        "?",
        "~",
        "null",
        "1e5",
        "00123",
        "30s",
        "PT",
        "é",
        "\t",
        "(",
        "&",
        "@",
        "//",
    ];
    prop_oneof![8 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"]
}

fn load(text: &str, value: &str, flag: &str) -> String {
    let names = [
        "A",
        "APP_ENV",
        "YBA_API_TOKEN",
        "YBA_FULL_BACKUP_URL",
        "DATASOURCE_URL",
        "LOGGING_LEVEL",
        "SERVER_ADDRESS",
    ];
    let environment = Environment::from_iter(names.map(|name| (name, value)));
    let overrides = vec![(flag.to_owned(), value.to_owned())];
    match Settings::from_text("f.yml", text, &Sources { environment, overrides, ..Sources::default() }) {
        Ok(settings) => format!("{settings:?}{}", settings.explain()),
        Err(error) => error.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC*|(?s).{0,200}", value in "\\PC{0,30}") {
        load(&text, &value, &text);
    }

    #[test]
    fn no_likely_text_makes_the_loader_panic(pieces in prop::collection::vec(piece(), 0..60), value in piece()) {
        load(&pieces.concat(), &value, &pieces.concat());
        load(&format!("yba:\n  databases:\n    db1:\n      api-token: {}", pieces.concat()), &value, "server.port");
    }

    #[test]
    fn a_token_never_appears(token in "[a-zA-Z0-9]{12,20}", junk in "[ -~]{0,12}") {
        let text = format!("yba:\n  databases:\n    db1:\n      api-token: {token}\n      junk: '{}'\nx", junk.replace('\'', ""));
        for text in [text.clone(), format!("{text}: 1"), text.replace("\n      junk", "${\n      junk")] {
            prop_assert!(!load(&text, "v", "server.port").contains(&token));
        }
    }
}

#[test]
fn deep_and_wide_texts_are_refused_politely() {
    let lines = |line: fn(usize) -> String| (0..5_000).map(line).collect::<Vec<_>>().join("\n");
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "a.".repeat(100_000) + "b: 1",
        format!("x: {}", "${A:".repeat(100_000)),
        format!("server.port: {}1{}", "${X:".repeat(5_000), "}".repeat(5_000)),
        lines(|depth| format!("{}a:", " ".repeat(depth.min(1_000)))),
        lines(|n| format!("a{n}: &a{n} {{k: *a{}}}", n.saturating_sub(1))),
        format!("a0: &a0 x\n{}", lines(|n| format!("a{}: &a{} {{k: *a{n}}}", n + 1, n + 1))),
    ] {
        load(&text, "v", &text);
    }
}
