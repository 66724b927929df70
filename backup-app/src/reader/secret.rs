//! Secrets: from a value or from a file that is named beside it, and masked in every table.

use std::path::PathBuf;

use secrecy::SecretString;

use super::{Found, Key, LAYERS, Layer, Reader, items, shape};
use crate::explain::MASK;
use crate::fault::{Fault, Warning};
use crate::origin::Origin;
use crate::secret_file;

impl Reader<'_> {
    /// A secret: `api-token`, or the content of the file that `api-token-file` names.
    pub(crate) fn secret(&mut self, key: impl Into<Key>) -> Option<SecretString> {
        self.secrets_by(&key.into(), false).into_iter().next()
    }

    /// The file that a secret was read from, so that it can be read again when the secret is replaced.
    pub(crate) fn secret_file(&self, path: &str) -> Option<PathBuf> {
        match self.origin(path) {
            Some(Origin::SecretFile { path, .. }) => Some(path),
            _ => None,
        }
    }

    /// Several secrets: a list, a text with commas, or a file with one on every line.
    pub(crate) fn secrets(&mut self, key: impl Into<Key>) -> Vec<SecretString> {
        self.secrets_by(&key.into(), true)
    }

    fn secrets_by(&mut self, key: &Key, several: bool) -> Vec<SecretString> {
        let key_file = file_key(key);
        self.remember(key);
        self.remember(&key_file);
        for (path, path_file) in key.paths().zip(key_file.paths()) {
            let (own, own_file) = (key.variables_of(path), key_file.variables_of(path_file));
            for layer in LAYERS {
                if let Some(found) = self.secret_in(layer, (path, own), (path_file, own_file)) {
                    return self.accept(&key.path, found, several);
                }
            }
        }
        Vec::new()
    }

    /// Both forms in one place contradict each other; in different places the stronger one wins.
    fn secret_in(
        &mut self,
        layer: Layer,
        value: (&str, &[String]),
        file: (&str, &[String]),
    ) -> Option<Found> {
        let plain = self.look_in(layer, value.0, value.1, true);
        let named = self.look_in(layer, file.0, file.1, false);
        match (plain, named) {
            (Some(plain), Some(named)) => {
                let message = format!("is given twice: here, and as a file in {}", named.origin);
                self.faults.push(Fault::new(value.0, plain.origin, message));
                None
            }
            (Some(plain), None) => Some(plain),
            (None, Some(named)) => self.content(value.0, named),
            (None, None) => None,
        }
    }

    fn content(&mut self, path: &str, named: Found) -> Option<Found> {
        let [file] = named.texts.as_slice() else {
            self.faults.push(Fault::new(path, named.origin, "expects one file, not a list"));
            return None;
        };
        let file = PathBuf::from(file.trim());
        match secret_file::read(&file) {
            Ok(text) => {
                if secret_file::is_open_to_all(&file) {
                    self.warn_open(path, &file, &named.origin);
                }
                let origin = Origin::SecretFile { path: file, named_by: Box::new(named.origin) };
                Some(Found { texts: vec![text], is_list: false, origin })
            }
            Err(complaint) => {
                self.faults.push(Fault::new(path, named.origin, complaint));
                None
            }
        }
    }

    fn warn_open(&mut self, path: &str, file: &std::path::Path, named_by: &Origin) {
        let message = format!("everybody on this machine may change the file {}", file.display());
        self.warnings.push(Warning { key: path.to_owned(), origin: Some(named_by.clone()), message });
    }

    fn accept(&mut self, path: &str, found: Found, several: bool) -> Vec<SecretString> {
        let Found { texts, is_list, origin } = found;
        let texts = match (several, is_list) {
            (true, _) => {
                let lines: Vec<_> = texts.iter().map(|text| text.replace(['\r', '\n'], ",")).collect();
                items(&lines, is_list)
            }
            (false, false) => texts,
            (false, true) => {
                self.faults.push(Fault::new(path, origin, "expects one value, not a list"));
                return Vec::new();
            }
        };
        // A token goes into a header, a password to the server: a line break in it is always a mistake.
        if texts.iter().any(|text| text.chars().any(char::is_control)) {
            self.faults.push(Fault::new(path, origin, "holds a line break or another control character"));
            return Vec::new();
        }
        if let Some(message) = texts.iter().find_map(|text| shape::check(text, &origin).err()) {
            self.faults.push(Fault::new(path, origin, message));
            return Vec::new();
        }
        self.row(path, MASK, origin);
        texts.into_iter().map(SecretString::from).collect()
    }
}

/// The key beside a secret that names a file.
fn file_key(key: &Key) -> Key {
    Key {
        path: format!("{}-file", key.path),
        also: key.also.iter().map(|path| format!("{path}-file")).collect(),
        variables: key.variables.iter().map(|name| format!("{name}_FILE")).collect(),
    }
}
