//! A setting's names: ours, Spring's older ones, and the environment variables that set it.

/// Where a setting is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Our name for it; faults and the table show this one.
    pub(crate) path: String,
    /// Other keys for it, looked at where our own is not set.
    pub(crate) also: Vec<String>,
    /// Variables beside those that Spring derives from the key.
    pub(crate) variables: Vec<String>,
}

impl Key {
    /// A setting with Spring's name for it.
    pub(crate) fn or(mut self, path: &str) -> Self {
        self.also.push(path.to_owned());
        self
    }

    /// A setting with environment variables of its own.
    pub(crate) fn with_variables(mut self, variables: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.variables.extend(variables.into_iter().map(Into::into));
        self
    }

    /// The variables of one of its paths: only our own has any beside Spring's.
    pub(crate) fn variables_of(&self, path: &str) -> &[String] {
        if path == self.path { &self.variables } else { &[] }
    }

    /// Our key and the others, ours first.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.path.as_str()).chain(self.also.iter().map(String::as_str))
    }
}

impl<P: Into<String>> From<P> for Key {
    fn from(path: P) -> Self {
        Self { path: path.into(), also: Vec::new(), variables: Vec::new() }
    }
}

/// The variables that set a key, as Spring derives them: `server.wait-timeout` is `SERVER_WAIT_TIMEOUT` and
/// `SERVER_WAITTIMEOUT`.
pub(crate) fn variables_of(path: &str) -> Vec<String> {
    let name = |path: &str| -> String {
        path.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    let mut names = vec![name(path)];
    if path.contains('-') {
        names.push(name(&path.replace('-', "")));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_relaxed_forms_of_a_variable_are_known() {
        assert_eq!(variables_of("server.wait-timeout"), ["SERVER_WAIT_TIMEOUT", "SERVER_WAITTIMEOUT"]);
        assert_eq!(variables_of("server.port"), ["SERVER_PORT"]);
    }
}
