//! An address of YBA, as a target or an instance gives it.

use std::fmt;

use url::Url;

use crate::explain::MASK;
use crate::reader::{Setting, Unfit};

/// An address of YBA. Its query may hold a token, so only [`expose`](Self::expose) shows all of it.
#[derive(Clone, PartialEq, Eq)]
pub struct YbaAddress(Url);

impl YbaAddress {
    /// The address as it was given.
    pub fn expose(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for YbaAddress {
    /// The values of parameters that are named like secrets are masked.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        let Some((address, query)) = text.split_once('?') else { return f.write_str(text) };
        write!(f, "{address}?{}", masked_query(query))
    }
}

impl fmt::Debug for YbaAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The parameters of an address, without the values of those that are named like secrets.
pub(super) fn masked_query(query: &str) -> String {
    query.split('&').filter(|pair| !pair.is_empty()).map(masked).collect::<Vec<_>>().join("&")
}

fn masked(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={MASK}"),
        _ => pair.to_owned(),
    }
}

fn is_secret(parameter: &str) -> bool {
    let parameter = parameter.to_lowercase();
    ["pass", "pwd", "secret", "token", "auth", "key", "sig", "cred"]
        .iter()
        .any(|word| parameter.contains(word))
}

/// A text with credentials is refused unseen: tokens have settings of their own.
impl Setting for YbaAddress {
    fn read(text: &str) -> Result<Self, Unfit> {
        let text = text.trim();
        if !has_scheme(text) {
            return Err(Unfit::new("is no http or https URL: it begins with https:// (or http://)"));
        }
        let url = Url::parse(text).map_err(|error| Unfit::new(unreadable(text, error)))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unfit::new("must not hold a user or a password; the token is `api-token`"));
        }
        if url.host().is_none() {
            return Err(Unfit::new("is no http or https URL: it names no host"));
        }
        let host = url.host_str().into_iter();
        match url.path_segments().into_iter().flatten().chain(host).find(|part| is_placeholder(part)) {
            Some(_) => Err(Unfit::new(UNFILLED)),
            None => Ok(Self(url)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

const UNFILLED: &str = "holds a placeholder of a description that was not filled in";

fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

fn unreadable(text: &str, error: url::ParseError) -> String {
    if text.contains(['<', '>', '{', '}']) { UNFILLED.to_owned() } else { format!("is no URL: {error}") }
}

/// `<customer-uuid>`, `{customer}`, `...`: what a description writes for a value.
fn is_placeholder(part: &str) -> bool {
    let mut part = part.to_owned();
    for (encoded, plain) in [("%3c", "<"), ("%3e", ">"), ("%7b", "{"), ("%7d", "}"), ("%e2%80%a6", "…")] {
        part = part.replace(encoded, plain).replace(&encoded.to_uppercase(), plain);
    }
    part.contains(['<', '>', '{', '}', '…']) || part == "..." || part.starts_with("$(")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> String {
        YbaAddress::read(text).err().map_or_else(String::new, |unfit| unfit.message)
    }

    #[test]
    fn only_addresses_of_yba_are_read() {
        for (text, why) in [
            ("yba.example.com/api/v1", "begins with https://"),
            ("localhost:9000", "begins with https://"),
            ("ftp://yba", "begins with https://"),
            ("https:/yba", "begins with https://"),
            ("https://user:s3cret@yba", "the token is `api-token`"),
            ("https://s3cret@yba", "the token is `api-token`"),
            ("https://", "no URL"),
        ] {
            let complaint = complaint(text);
            assert!(complaint.contains(why) && !complaint.contains("s3cret"), "{text}: {complaint}");
        }
    }

    #[test]
    fn what_a_description_left_open_is_named() {
        for part in
            ["<customer-uuid>", "%3Ccustomer-uuid%3E", "{customer}", "%7Bc%7D", "...", "…", "$(CUSTOMER)"]
        {
            let text = format!("https://yba/api/v1/customers/{part}/backups");
            assert_eq!(complaint(&text), UNFILLED, "{text}");
        }
        assert_eq!(complaint("https://<yba-host>/api/v1"), UNFILLED);
        assert_eq!(complaint("https://yba/api/v1/customers/c/backups?limit=1&direction=DESC"), "");
    }

    #[test]
    fn a_token_in_the_query_is_masked() {
        let url =
            YbaAddress::read("https://yba/last?limit=1&access_token=s3cret&apiKey=s3cret").ok().unwrap();
        assert_eq!(url.to_string(), "https://yba/last?limit=1&access_token=******&apiKey=******");
        assert!(!format!("{url:?} {url:#?}").contains("s3cret"));
        assert!(url.expose().as_str().contains("s3cret"));
    }
}
