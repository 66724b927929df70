//! What placeholders are filled with, in Spring's order: the stronger sources, then the file's own properties.

use crate::file::placeholder::{self, Filled, PlaceholderError, Value};
use crate::file::tree::Map;
use crate::overrides::Overrides;
use crate::secret_file;

/// Everything that a placeholder may name.
#[derive(Clone, Copy)]
pub(crate) struct Values<'v> {
    pub(crate) overrides: &'v Overrides<'v>,
    pub(crate) tree: &'v Map,
}

impl Values<'_> {
    /// Fills the placeholders of a text. Those of a secret take the content of the file that `<NAME>_FILE` names as
    /// well, and a variable's value is then not looked into: a password may hold any characters.
    pub(crate) fn fill(&self, text: &str, secret: bool) -> Result<Filled, PlaceholderError> {
        placeholder::fill(text, &mut |name| self.look_up(name, secret))
    }

    fn look_up(&self, name: &str, secret: bool) -> Result<Option<Value>, String> {
        if secret && let Some(text) = secret_file::variable(self.overrides.environment, name)? {
            return Ok(Some(Value::Whole(text)));
        }
        if let Some(text) = self.overrides.placeholder(name) {
            return Ok(Some(if secret { Value::Whole(text) } else { Value::MayHoldMore(text) }));
        }
        let property = self.tree.get(name).and_then(|entry| entry.node.texts());
        Ok(property.map(|texts| Value::MayHoldMore(texts.join(","))))
    }
}
