//! The process environment, read once: the only file of the product that asks the operating system for it.

use std::collections::BTreeMap;
use std::fmt;

use crate::origin::Origin;

/// The environment variables that a configuration is loaded from.
///
/// Its `Debug` text names the variables and never shows a value: tokens and passwords live here.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The names as [`relaxed`] writes them, for Spring's keys.
    relaxed: BTreeMap<String, String>,
}

impl Environment {
    /// The variables of this process. A value that is no UTF-8 is kept with replacement characters, so that
    /// whoever reads it reports the variable by its name.
    pub fn process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .collect()
    }

    /// The value of a variable, where it is set; it may be empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The value of a variable, where it is set to something.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The variable of one of Spring's keys and its value: `spring.profiles.active` and `server_port` are names of
    /// variables too. The name in upper case is the strongest.
    pub(crate) fn find(&self, name: &str) -> Option<(&str, &str)> {
        let exact = self.variables.get_key_value(name);
        let found = exact.or_else(|| self.variables.get_key_value(self.relaxed.get(name)?))?;
        Some((found.0, found.1))
    }

    /// What a variable says of a key, one text or the numbered ones of a list (`NAME_0`, `NAME_1`), where it says
    /// something.
    pub(crate) fn texts(&self, name: &str) -> Option<(Vec<String>, Origin)> {
        let filled = |name: &str| self.find(name).filter(|(_, value)| !value.trim().is_empty());
        if let Some((name, value)) = filled(name) {
            return Some((vec![value.to_owned()], Origin::variable(name)));
        }
        let first = format!("{name}_0");
        let texts: Vec<String> = (0..)
            .map_while(|number| filled(&format!("{name}_{number}")))
            .map(|(_, value)| value.to_owned())
            .collect();
        (!texts.is_empty()).then(|| (texts, Origin::variable(first)))
    }

    /// The names of all variables, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables: BTreeMap<String, String> =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        let relaxed = variables.keys().map(|name| (relaxed(name), name.clone())).collect();
        Self { variables, relaxed }
    }
}

/// `spring.profiles.active` as `SPRING_PROFILES_ACTIVE`.
fn relaxed(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '.' | '-') { '_' } else { c.to_ascii_uppercase() }).collect()
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_names_the_variables_and_hides_their_values() {
        let environment = Environment::from_iter([("YBA_API_TOKEN", "s3cret")]);
        assert_eq!(format!("{environment:?}"), r#"{"YBA_API_TOKEN"}"#);
    }

    #[test]
    fn the_variable_of_a_key_is_found_in_every_spelling() {
        let environment = Environment::from_iter([("server.port", "1"), ("spring_config_import", "x")]);
        assert_eq!(environment.find("SERVER_PORT"), Some(("server.port", "1")));
        assert_eq!(environment.find("SPRING_CONFIG_IMPORT"), Some(("spring_config_import", "x")));
        assert_eq!(environment.get("SERVER_PORT"), None);
    }

    #[test]
    fn a_list_may_be_numbered() {
        let environment = Environment::from_iter([("A_0", "x"), ("A_1", "y"), ("A_3", "z")]);
        assert_eq!(
            environment.texts("A").map(|(texts, _)| texts),
            Some(vec!["x".to_owned(), "y".to_owned()])
        );
    }

    #[test]
    fn an_empty_variable_is_set_but_not_filled() {
        let environment = Environment::from_iter([("A", "")]);
        assert_eq!(environment.get("A"), Some(""));
        assert_eq!(environment.filled("A"), None);
    }
}
