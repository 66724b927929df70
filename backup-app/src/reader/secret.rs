//! Secrets: from a value or from a file that is named beside it, and masked in every table.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::{Found, Key, LAYERS, Layer, Reader, items};
use crate::environment::Environment;
use crate::explain::MASK;
use crate::fault::Fault;
use crate::origin::Origin;

/// No token is longer; a wrong path must not fill the memory.
const MAX_BYTES: u64 = 64 * 1024;

impl Reader<'_> {
    /// A secret: `api-token`, or the content of the file that `api-token-file` names.
    pub(crate) fn secret(&mut self, key: impl Into<Key>) -> Option<SecretString> {
        self.secrets_by(&key.into(), false).into_iter().next()
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
        let file = PathBuf::from(file);
        match read(&file) {
            Ok(text) => {
                let origin = Origin::SecretFile { path: file, named_by: Box::new(named.origin) };
                Some(Found { texts: vec![text], is_list: false, origin })
            }
            Err(complaint) => {
                self.faults.push(Fault::new(path, named.origin, complaint));
                None
            }
        }
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

/// What a placeholder of a secret gets: the variable, or the content of the file that `<NAME>_FILE` names.
pub(super) fn variable(environment: &Environment, name: &str) -> Result<Option<String>, String> {
    let file = format!("{name}_FILE");
    match (environment.get(name), environment.filled(&file)) {
        (Some(value), Some(_)) if !value.is_empty() => Err(format!("{name} and {file} are both set")),
        (_, Some(path)) => read(Path::new(path)).map(Some),
        (value, None) => Ok(value.map(str::to_owned)),
    }
}

/// The content of a secret's file without its last line break.
fn read(path: &Path) -> Result<String, String> {
    let refuse = |why: &dyn std::fmt::Display| format!("the file {} {why}", path.display());
    let file = std::fs::File::open(path).map_err(|error| refuse(&format_args!("cannot be read: {error}")))?;
    let mut text = String::new();
    let length = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    match length.map_err(|error| refuse(&format_args!("cannot be read: {error}")))? {
        length if length as u64 > MAX_BYTES => Err(refuse(&"is larger than any secret")),
        _ if text.trim().is_empty() => Err(refuse(&"is empty")),
        _ => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
