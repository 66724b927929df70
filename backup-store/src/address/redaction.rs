//! What may be shown of an address: nothing that may be a user, a password or a parameter, however it was mistyped.

use super::{SCHEMES, SQLITE};

/// In place of what is not shown.
const HIDDEN: &str = "…";

/// The address without user, password and parameters.
pub(crate) fn redacted(url: &str) -> String {
    let url = url.trim();
    if let Some(file) = url.strip_prefix(SQLITE) {
        return format!("{SQLITE}{}", file_name(file));
    }
    match SCHEMES.iter().find_map(|(scheme, ..)| Some((scheme, url.strip_prefix(scheme)?))) {
        Some((scheme, rest)) => format!("{scheme}{}", place(rest)),
        None => format!("{}{HIDDEN}", foreign_scheme(url)),
    }
}

/// Of an address that is none of ours, the word before `://`.
fn foreign_scheme(url: &str) -> &str {
    let is_word =
        |word: &str| word.chars().all(|char| char.is_ascii_lowercase() || char == ':' || char == '+');
    match url.find("//") {
        Some(end) if (2..=20).contains(&end) && is_word(&url[..end]) => &url[..end + 2],
        _ => "",
    }
}

/// A path; a colon before an @ is more likely part of a user and a password.
fn file_name(file: &str) -> &str {
    let (path, query) = split_query(file);
    let is_path = !path.split_once('@').is_some_and(|(user, _)| user.contains(':'));
    if is_path && !query.contains('@') { path } else { HIDDEN }
}

/// Hosts and database. A password may hold any character, encoded or not.
fn place(rest: &str) -> String {
    let (before, query) = split_query(rest);
    let slashes = if before.starts_with("//") { "//" } else { "" };
    let place = match before.rsplit_once('@') {
        Some((_, place)) => place,
        // What looks like a query is the rest of a password.
        None if query.contains('@') => HIDDEN,
        None => &before[slashes.len()..],
    };
    let place = if is_place(place) { place } else { HIDDEN };
    format!("{slashes}{place}")
}

fn split_query(text: &str) -> (&str, &str) {
    text.find(['?', '#']).map_or((text, ""), |end| text.split_at(end))
}

/// Whether every colon is that of a port, or of an address in brackets: any other may be one between user and password.
fn is_place(place: &str) -> bool {
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let is_host = |host: &str| {
        let port = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((_, port)) => port.strip_prefix(':').unwrap_or(port),
            None => host.split_once(':').map_or("", |(_, port)| port),
        };
        port.len() <= 5 && port.chars().all(|digit| digit.is_ascii_digit())
    };
    !database.contains(':') && hosts.split(',').all(is_host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_is_its_place() {
        for (url, shown) in [
            ("postgres://u:p/w@h:1/app?password=x", "postgres://h:1/app"),
            ("jdbc:yugabytedb://h1,h2:2,[::1]:3/app?user=u", "jdbc:yugabytedb://h1,h2:2,[::1]:3/app"),
            ("sqlite:///tmp/a@b.db", "sqlite:///tmp/a@b.db"),
            ("sqlite::memory:", "sqlite::memory:"),
            ("sqlite:C:\\backups\\b.db", "sqlite:C:\\backups\\b.db"),
            ("postgres:app?password=x", "postgres:app"),
            ("jdbc:postgresql:/", "jdbc:postgresql:/"),
            ("mysql://h/app", "mysql://…"),
            ("jdbc:oracle:thin:@//h/app", "…"),
            ("", "…"),
        ] {
            assert_eq!(redacted(url), shown, "{url}");
        }
    }

    #[test]
    fn no_way_to_mistype_an_address_shows_its_password() {
        for scheme in [
            "postgres:",
            "postgresql:",
            "jdbc:postgresql:",
            "jdbc:yugabytedb:",
            "sqlite:",
            "mysql:",
            "postgre:",
            "",
        ] {
            for slashes in ["", "/", "//", "///"] {
                for secret in
                    ["secret", "12secret", "sec?secret", "sec/secret", "sec#secret", "sec@secret", "s:secret"]
                {
                    for rest in ["@h/app", "@h:1/app?user=a@b", "@", "", "@h", "/app", ",h/app"] {
                        if secret.contains('@') && !rest.starts_with('@') {
                            // Then what follows it is a host.
                            continue;
                        }
                        let url = format!("{scheme}{slashes}user:{secret}{rest}");
                        let shown = redacted(&url);
                        assert!(
                            !shown.contains("sec") || (scheme == "sqlite:" && !rest.contains('@')),
                            "{url}: {shown}"
                        );
                    }
                }
            }
        }
    }
}
