//! `yba.instances.*`: installations of YugabyteDB Anywhere, declared, or derived from the URLs of a target.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::address::YbaAddress;
use super::yba::{YbaSettings, certificate, per_second, skip_verify, warn_no_uuid, warn_plaintext};
use crate::reader::{Reader, Setting as _, Unfit};

/// One customer of one installation of YBA.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InstanceSettings {
    /// `base-url`, or `base-urls` where it is highly available: everything before `/api/v1`. Never empty.
    pub base_urls: Vec<Url>,
    /// `customer-uuid`.
    pub customer_uuid: String,
    /// `api-token`; a target may bring its own, which [`Connection`](super::Connection) holds.
    pub api_token: Option<SecretString>,
    /// `api-token-file`, where the token came from it: it is read again when YBA refuses the token.
    pub api_token_file: Option<PathBuf>,
    /// `ca-certificate`: a private authority (PEM).
    pub ca_certificate: Option<PathBuf>,
    /// `insecure-skip-verify`: certificates are not checked.
    pub insecure_skip_verify: bool,
    /// `max-concurrent-calls`: calls under way at once.
    pub max_concurrent_calls: u32,
    /// `max-calls-per-second`: calls sent in a second; `None`: no limit.
    pub max_calls_per_second: Option<NonZeroU32>,
}

/// Instances while targets are being read.
pub(super) struct Instances {
    pub(super) complete: BTreeMap<String, InstanceSettings>,
    /// Declared ones that lack something.
    pub(super) incomplete: BTreeMap<String, Incomplete>,
}

/// A declared instance that lacks something.
pub(super) struct Incomplete {
    /// The keys it lacks.
    pub(super) missing: Vec<String>,
    has_token: bool,
}

pub(super) fn read_all(reader: &mut Reader<'_>, yba: &YbaSettings) -> Instances {
    let mut instances = Instances { complete: BTreeMap::new(), incomplete: BTreeMap::new() };
    for name in reader.names("yba.instances") {
        match read(reader, yba, &name) {
            Ok(instance) => _ = instances.complete.insert(name, instance),
            Err(incomplete) => {
                let key = format!("yba.instances.{name}");
                reader.warn(&key, format!("cannot be used: {} is not set", incomplete.missing.join(", ")));
                instances.incomplete.insert(name, incomplete);
            }
        }
    }
    instances
}

fn read(reader: &mut Reader<'_>, yba: &YbaSettings, name: &str) -> Result<InstanceSettings, Incomplete> {
    let key = |field: &str| format!("yba.instances.{name}.{field}");
    let base_urls = base_urls(reader, &key("base-url"), &key("base-urls"));
    let customer: Option<String> = reader.optional(key("customer-uuid"));
    let instance = InstanceSettings {
        base_urls,
        customer_uuid: customer.clone().unwrap_or_default(),
        api_token: reader.secret(key("api-token")),
        api_token_file: reader.secret_file(&key("api-token")),
        ca_certificate: certificate(reader, &key("ca-certificate")).or_else(|| yba.ca_certificate.clone()),
        insecure_skip_verify: skip_verify(reader, &key("insecure-skip-verify"), yba.insecure_skip_verify),
        max_concurrent_calls: reader.within(
            key("max-concurrent-calls"),
            yba.max_concurrent_calls,
            1..=10_000,
        ),
        max_calls_per_second: per_second(reader, &key("max-calls-per-second")).or(yba.max_calls_per_second),
    };
    if let Some(customer) = &customer {
        warn_no_uuid(reader, &key("customer-uuid"), customer);
    }
    let lacking = [("base-url", instance.base_urls.is_empty()), ("customer-uuid", customer.is_none())];
    let missing: Vec<_> = lacking.iter().filter(|(_, lacks)| *lacks).map(|(field, _)| key(field)).collect();
    if missing.is_empty() {
        return Ok(instance);
    }
    Err(Incomplete { missing, has_token: instance.api_token.is_some() })
}

fn base_urls(reader: &mut Reader<'_>, one: &str, several: &str) -> Vec<Url> {
    let single: Option<YbaAddress> = reader.optional(one);
    let texts = reader.list(several);
    if single.is_some() && !texts.is_empty() {
        reader.fault(several, "is given beside `base-url`; give one of them");
    }
    let mut urls: Vec<(&str, Url)> = single.into_iter().map(|url| (one, url.expose().clone())).collect();
    for text in texts {
        match YbaAddress::read(&text) {
            Ok(url) => urls.push((several, url.expose().clone())),
            Err(Unfit { message, .. }) => reader.fault(several, message),
        }
    }
    for (key, url) in &urls {
        warn_plaintext(reader, key, url);
    }
    urls.into_iter().map(|(_, url)| base_of(url)).collect()
}

/// Everything before `/api/v1`, so that both ways of writing a base address mean the same.
fn base_of(mut url: Url) -> Url {
    let path = url.path().trim_end_matches('/');
    let path = path.strip_suffix("/api/v1").unwrap_or(path).to_owned();
    url.set_path(&path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// The base address and the customer in a URL of YBA's API: `{base}/api/v1/customers/{customer}/...`.
pub(super) fn derive(url: &Url) -> Option<(Url, String)> {
    let segments: Vec<&str> = url.path_segments()?.collect();
    let start = segments.windows(3).position(|parts| parts == ["api", "v1", "customers"])?;
    let customer = segments.get(start + 3).filter(|customer| !customer.is_empty())?;
    let mut base = url.clone();
    base.set_path(&segments[..start].join("/"));
    base.set_query(None);
    base.set_fragment(None);
    Some((base, (*customer).to_owned()))
}

impl Instances {
    /// The names of the declared ones, for suggestions.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.complete.keys().chain(self.incomplete.keys()).map(String::as_str)
    }

    /// Whether a declared instance brings a token.
    pub(super) fn has_token(&self, name: &str) -> bool {
        let complete = self.complete.get(name).is_some_and(|instance| instance.api_token.is_some());
        complete || self.incomplete.get(name).is_some_and(|incomplete| incomplete.has_token)
    }

    /// The name of the instance that a target's URL implies: one that exists already where address, customer
    /// and token are the same, a new one otherwise.
    pub(super) fn implied(
        &mut self,
        yba: &YbaSettings,
        base: Url,
        customer: String,
        token: (&SecretString, Option<&PathBuf>),
    ) -> String {
        let (token, token_file) = token;
        let same = |instance: &InstanceSettings| {
            let token_is = |own: &SecretString| own.expose_secret() == token.expose_secret();
            instance.base_urls.contains(&base)
                && instance.customer_uuid == customer
                && instance.api_token.as_ref().is_some_and(token_is)
        };
        if let Some((name, _)) = self.complete.iter().find(|(_, instance)| same(instance)) {
            return name.clone();
        }
        let name = self.free_name(&base);
        let instance = InstanceSettings {
            base_urls: vec![base],
            customer_uuid: customer,
            api_token: Some(token.clone()),
            api_token_file: token_file.cloned(),
            ca_certificate: yba.ca_certificate.clone(),
            insecure_skip_verify: yba.insecure_skip_verify,
            max_concurrent_calls: yba.max_concurrent_calls,
            max_calls_per_second: yba.max_calls_per_second,
        };
        self.complete.insert(name.clone(), instance);
        name
    }

    /// The host names the instance; a second customer or token of the same host gets a number.
    fn free_name(&self, base: &Url) -> String {
        let host = base.host_str().unwrap_or("yba");
        let name = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let taken = |name: &String| self.complete.contains_key(name) || self.incomplete.contains_key(name);
        let mut names = std::iter::once(name.clone()).chain((2..).map(|number| format!("{name}#{number}")));
        names.find(|name| !taken(name)).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derived(url: &str) -> Option<(String, String)> {
        derive(&Url::parse(url).unwrap()).map(|(base, customer)| (base.to_string(), customer))
    }

    #[test]
    fn base_and_customer_are_derived_from_a_url_of_the_api() {
        let expected = Some(("https://yba.example.com/".to_owned(), "c-1".to_owned()));
        assert_eq!(derived("https://yba.example.com/api/v1/customers/c-1/backups"), expected);
        assert_eq!(derived("https://yba.example.com/api/v1/customers/c-1/backups?x=1"), expected);
        let behind_a_prefix = Some(("http://h:9000/yba".to_owned(), "c".to_owned()));
        assert_eq!(derived("http://h:9000/yba/api/v1/customers/c/backups"), behind_a_prefix);
        for other in
            ["https://yba/backup/full", "https://yba/api/v1/customers/", "https://yba/api/v1/customers"]
        {
            assert_eq!(derived(other), None, "{other}");
        }
    }

    #[test]
    fn a_base_address_ends_before_the_api() {
        for text in ["https://yba", "https://yba/", "https://yba/api/v1", "https://yba/api/v1/?x"] {
            assert_eq!(base_of(Url::parse(text).unwrap()).as_str(), "https://yba/");
        }
    }
}
