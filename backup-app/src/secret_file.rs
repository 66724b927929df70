//! Secrets that lie in files of their own.

use std::path::Path;

use crate::environment::Environment;
use crate::file::read::bounded;

/// No token is longer.
const MAX_BYTES: u64 = 64 * 1024;

/// What a placeholder of a secret gets: the variable, or the content of the file that `<NAME>_FILE` names.
///
/// # Errors
///
/// Both are set, or the file cannot be used.
pub(crate) fn variable(environment: &Environment, name: &str) -> Result<Option<String>, String> {
    let file = format!("{name}_FILE");
    match (environment.get(name), environment.filled(&file)) {
        (Some(value), Some(_)) if !value.is_empty() => Err(format!("{name} and {file} are both set")),
        (_, Some(path)) => read(Path::new(path)).map(Some),
        (value, None) => Ok(value.map(str::to_owned)),
    }
}

/// The content of a secret's file without its last line break.
///
/// # Errors
///
/// The file cannot be used; the text does not name it where it may be the secret itself, given in place of a path.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    let bytes =
        bounded(path, MAX_BYTES).map_err(|error| format!("{} cannot be read: {error}", shown(path)))?;
    let text =
        String::from_utf8(bytes).map_err(|_| format!("{} cannot be read: it is not UTF-8", shown(path)))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end_matches(['\r', '\n']);
    if text.trim().is_empty() {
        return Err(format!("{} is empty", shown(path)));
    }
    Ok(text.to_owned())
}

/// The path, where it surely is one: it exists, or its folder does.
fn shown(path: &Path) -> String {
    let is_folder =
        |folder: &Path| folder.parent().is_some_and(|above| above != Path::new("")) && folder.is_dir();
    if path.exists() || path.parent().is_some_and(is_folder) {
        return format!("the file {}", path.display());
    }
    "the file that it names (a path is expected; it is not shown, because it may be the secret itself)"
        .to_owned()
}

/// Whether everybody on this machine may change the file.
#[cfg(unix)]
pub(crate) fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o002 != 0)
}

/// Whether everybody on this machine may change the file: not known here.
#[cfg(not(unix))]
pub(crate) fn is_open_to_all(_path: &Path) -> bool {
    false
}
