//! Which documents count: profiles from every source, and what is refused because it cannot be told.

use crate::support::{faults, load, loaded};

/// A document for each of these profiles that says so; the last one that counts is heard.
fn documents(profiles: &[&str]) -> String {
    let document =
        |name: &&str| format!("---\nspring.config.activate.on-profile: {name}\ndatasource.schema: {name}\n");
    profiles.iter().map(document).collect()
}

fn chosen(text: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Vec<String> {
    loaded(text, variables, flags).profiles
}

#[test]
fn the_strongest_source_chooses() {
    let file = "spring.profiles.active: file\n";
    let json = ("SPRING_APPLICATION_JSON", r#"{"spring": {"profiles": {"active": "json"}}}"#);
    let variable = ("SPRING_PROFILES_ACTIVE", "variable");
    assert_eq!(chosen(file, &[("APP_ENV", "ignored")], &[]), ["file"]);
    assert_eq!(chosen(file, &[variable], &[]), ["variable"]);
    assert_eq!(chosen(file, &[variable, json], &[]), ["json"]);
    assert_eq!(chosen(file, &[variable, json], &[("spring.profiles.active", "flag")]), ["flag"]);
    assert_eq!(chosen("a: 1", &[("APP_ENV", "uat")], &[]), ["uat"]);
    assert!(chosen("a: 1", &[], &[]).is_empty());
}

#[test]
fn every_form_of_a_list_is_understood() {
    for text in [
        "spring.profiles.active: a, b",
        "spring.profiles.active: [a, b]",
        "spring:\n  profiles:\n    active:\n      - a\n      - b",
        "spring.profiles.active: ${X:a},${Y:b}",
    ] {
        assert_eq!(chosen(text, &[], &[]), ["a", "b"], "{text}");
    }
    assert_eq!(
        chosen("", &[("SPRING_PROFILES_ACTIVE_0", "a"), ("SPRING_PROFILES_ACTIVE_1", "b")], &[]),
        ["a", "b"]
    );
    assert_eq!(chosen("", &[("spring.profiles.active", "a,b")], &[]), ["a", "b"]);
}

#[test]
fn included_profiles_come_before_the_active_ones_from_every_source() {
    let text = "spring.profiles: {active: own, include: [common]}\n";
    let variables = [("SPRING_PROFILES_INCLUDE", "extra")];
    assert_eq!(chosen(text, &[], &[]), ["common", "own"]);
    assert_eq!(chosen(text, &variables, &[]), ["extra", "common", "own"]);
    assert_eq!(chosen(text, &[], &[("spring.profiles.active", "other")]), ["common", "other"]);
}

#[test]
fn a_group_adds_its_members_behind_it_and_ends() {
    let text = "spring.profiles:\n  active: production, last\n  group:\n    production: [proddb, prodmq]\n    \
                proddb: production, deep\n";
    assert_eq!(chosen(text, &[], &[]), ["production", "proddb", "deep", "prodmq", "last"]);
    let variables = [("SPRING_PROFILES_GROUP_PRODUCTION", "other")];
    assert_eq!(chosen(text, &variables, &[]), ["production", "other", "last"]);
    let numbered = [("SPRING_PROFILES_ACTIVE", "p"), ("SPRING_PROFILES_GROUP_P_0", "q")];
    assert_eq!(chosen("", &numbered, &[]), ["p", "q"]);
}

#[test]
fn documents_of_groups_and_includes_count() {
    let text = format!(
        "spring.profiles: {{active: a, include: b, group.a: c}}\n{}",
        documents(&["b", "a", "c", "d"])
    );
    assert_eq!(loaded(&text, &[], &[]).datasource.schema, "c");
}

#[test]
fn of_two_documents_the_later_one_wins_whatever_their_conditions() {
    let text =
        "server.port: 1\n---\nspring.config.activate.on-profile: p\nserver.port: 2\n---\nserver.port: 3\n";
    assert_eq!(loaded(text, &[("SPRING_PROFILES_ACTIVE", "p")], &[]).server.port, 3);
}

#[test]
fn names_of_profiles_have_a_form() {
    for profile in ["../../etc", "a b", "-a", "a/b"] {
        assert!(
            faults("", &[("SPRING_PROFILES_ACTIVE", profile)]).contains("is no name of a profile"),
            "{profile}"
        );
    }
}

#[test]
fn what_cannot_be_told_to_count_is_refused_by_name() {
    for (text, key) in [
        (
            "a: 1\n---\nspring.config.activate.on-cloud-platform: kubernetes\nserver.port: 1\n",
            "spring.config.activate.on-cloud-platform (application.yml:3)",
        ),
        ("spring.config.activate.on-something: x", "spring.config.activate.on-something (application.yml:1)"),
        ("spring.config.activate.on-profile[0]: uat", "spring.config.activate.on-profile[0]"),
        (
            "a: 1\n---\nspring.profiles: uat\nserver.port: 1\n",
            "spring.profiles (application.yml:3): is the key of Spring before 2.4",
        ),
        ("spring:\n  profiles: [uat, dev]\n", "spring.profiles (application.yml:2)"),
        ("spring.profiles.default: uat", "spring.profiles.default"),
        ("spring.profiles.active[0]: uat", "spring.profiles.active[0]"),
        ("spring.config.name: other", "spring.config.name"),
        (
            "spring.config.location: file:a.yml",
            "spring.config.location (application.yml:1): has no effect in a file",
        ),
        ("spring.config.additional-location: file:a.yml", "spring.config.additional-location"),
        ("spring.config.on-not-found: ignore", "spring.config.on-not-found"),
        ("spring.config.use-legacy-processing: true", "spring.config.use-legacy-processing"),
        (
            "spring.config.import: 'configserver:http://c'",
            "spring.config.import (application.yml:1): `configserver:`",
        ),
        ("spring.config.import: ['optional:vault://x']", "`vault:` is not supported"),
        ("spring.config.import: 'classpath:more.yml'", "there is no class path here"),
        ("spring.config.import: aws-secretsmanager:x", "`aws-secretsmanager:` is not supported"),
        ("spring.cloud.config.uri: http://c", "spring.cloud.config.uri (application.yml:1)"),
        (
            "spring.config.activate.on-profile: p\nspring.profiles.active: q",
            "spring.profiles.active (application.yml:2): cannot stand in a document",
        ),
        ("spring.config.activate.on-profile: p\nspring.profiles.include: q", "spring.profiles.include"),
        ("spring.config.activate.on-profile: p\nspring.profiles.group.p: q", "spring.profiles.group"),
        ("spring.config.activate.on-profile: 'a & b | c'", "need parentheses"),
        ("spring.config.activate.on-profile: ''", "is no profile expression"),
    ] {
        let faults = faults(text, &[]);
        assert!(faults.contains(key), "{text}:\n{faults}");
    }
}

#[test]
fn variables_and_arguments_of_that_kind_are_refused_too() {
    for name in [
        "SPRING_CONFIG_NAME",
        "SPRING_CONFIG_ONNOTFOUND",
        "SPRING_CONFIG_ON_NOT_FOUND",
        "SPRING_CONFIG_ACTIVATE_ON_PROFILE",
        "SPRING_PROFILES_DEFAULT",
        "SPRING_PROFILES",
        "spring.config.name",
    ] {
        let variables = [(name, "x")];
        match name {
            "SPRING_PROFILES" => assert!(load("", &variables, &[]).is_ok(), "it is no variable of Spring's"),
            _ => assert!(faults("", &variables).contains(name), "{name}"),
        }
    }
    for key in ["spring.config.name", "spring.profiles.default"] {
        assert!(load("", &[], &[(key, "x")]).unwrap_err().to_string().contains(key));
    }
    let json = [("SPRING_APPLICATION_JSON", r#"{"spring.config.name": "x"}"#)];
    assert!(faults("", &json).contains("spring.config.name (environment SPRING_APPLICATION_JSON)"));
    assert!(load("", &[("SPRING_CONFIG_NAME", "")], &[]).is_ok(), "an empty variable sets nothing");
}

#[test]
fn what_an_inactive_document_imports_does_not_matter() {
    let text = "a: 1\n---\nspring.config: {activate.on-profile: cloud, import: 'configserver:'}\n";
    assert!(load(text, &[], &[]).is_ok());
    assert!(faults(text, &[("APP_ENV", "cloud")]).contains("`configserver:` is not supported"));
}
