//! The process environment, read once: the only file of the product that asks the operating system for it.

use std::collections::BTreeMap;
use std::fmt;

/// The environment variables that a configuration is loaded from.
///
/// Its `Debug` text names the variables and never shows a value: tokens and passwords live here.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
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

    /// The names of all variables, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
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
    fn an_empty_variable_is_set_but_not_filled() {
        let environment = Environment::from_iter([("A", "")]);
        assert_eq!(environment.get("A"), Some(""));
        assert_eq!(environment.filled("A"), None);
    }
}
