//! Where configuration is read from, as Spring writes it: `file:`, `configtree:`, `optional:`, or a plain path.

use std::path::{Path, PathBuf};

use crate::origin::Origin;

/// One place to read from.
#[derive(Clone)]
pub(crate) struct Location {
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    /// Nothing is wrong when it is not there.
    pub(crate) optional: bool,
    /// The key or variable that names it, and its place, for faults.
    pub(crate) named_by: (String, Origin),
}

/// What lies at a location.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A YAML file.
    File,
    /// A folder with an `application.yml`.
    Folder,
    /// A folder whose files are keys, and their content the values.
    Tree,
    /// A folder of such folders.
    Trees,
}

impl Location {
    /// A file that is named by its path alone.
    pub(crate) fn file(path: PathBuf, key: &str, origin: Origin) -> Self {
        Self { kind: Kind::File, path, optional: false, named_by: (key.to_owned(), origin) }
    }

    /// Reads a location. A path without a prefix is relative to `folder`, that of the importing file.
    pub(crate) fn parse(
        text: &str,
        folder: Option<&Path>,
        named_by: (String, Origin),
    ) -> Result<Self, String> {
        let text = text.trim();
        let (optional, place) = match text.strip_prefix("optional:") {
            Some(place) => (true, place),
            None => (false, text),
        };
        let (kind, path) = match scheme(place) {
            Some(("configtree", path)) => tree(path)?,
            Some(("file", path)) => file(path)?,
            Some((scheme, _)) => return Err(unsupported(scheme)),
            None => {
                let (kind, path) = file(place)?;
                (kind, folder.map_or_else(|| path.clone(), |folder| folder.join(&path)))
            }
        };
        Ok(Self { kind, path, optional, named_by })
    }

    /// The file of a profile that belongs to a file: `application-uat.yml` to `application.yml`.
    pub(crate) fn for_profile(&self, file: &Path, profile: &str) -> Self {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let extension = file.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
        let name = format!("{stem}-{profile}{}", extension.unwrap_or_default());
        Self {
            kind: Kind::File,
            path: file.with_file_name(name),
            optional: true,
            named_by: self.named_by.clone(),
        }
    }
}

/// The locations in one text: separated by commas, or by semicolons within a group.
pub(crate) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', ';']).map(str::trim).filter(|location| !location.is_empty())
}

/// `file` of `file:./x.yml`. A single letter is no scheme.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '*' | '.'));
    is_scheme.then_some((scheme, rest))
}

fn unsupported(scheme: &str) -> String {
    let supported = "supported are `file:`, `optional:file:` and `configtree:`";
    match scheme {
        "classpath" | "classpath*" | "resource" => {
            format!("`{scheme}:` is not supported: there is no class path here; name the file with `file:`")
        }
        _ => format!("`{scheme}:` is not supported; {supported}"),
    }
}

fn tree(path: &str) -> Result<(Kind, PathBuf), String> {
    let (kind, path) = match path.strip_suffix("/*/") {
        Some(parent) => (Kind::Trees, parent),
        None => (Kind::Tree, path),
    };
    Ok((kind, local(path)?))
}

/// A path with Spring's hints behind it: `/etc/config/myconfig[.yaml]`.
fn file(text: &str) -> Result<(Kind, PathBuf), String> {
    let (path, hints) = text.split_once('[').map_or((text, ""), |(path, hints)| (path, hints));
    let extension = hints.trim_end_matches(']').split("][").filter(|hint| !hint.is_empty()).try_fold(
        None,
        |extension, hint| match hint.split_once('=') {
            None => Ok(Some(hint)),
            Some(("extension", value)) => Ok(Some(value)),
            Some(("encoding", value)) if value.eq_ignore_ascii_case("utf-8") => Ok(extension),
            Some(_) => Err(format!("`[{hint}]` is not supported; files are YAML in UTF-8")),
        },
    )?;
    let path = local(path)?;
    if text.ends_with('/') {
        return Ok((Kind::Folder, path));
    }
    let own = path.extension().map(|extension| format!(".{}", extension.to_string_lossy()));
    match extension.map(str::to_owned).or(own).as_deref() {
        Some(".yml" | ".yaml" | ".json") => Ok((Kind::File, path)),
        Some(".properties") => Err("a .properties file is not supported; write it as YAML (.yml)".to_owned()),
        _ => Err("the name of the file does not say what it is: it ends in .yml or .yaml, or `[.yaml]` follows it; a \
                  folder ends in `/`"
            .to_owned()),
    }
}

/// The path of a `file:` address: `//host/..` is none of ours, and wildcards are not followed.
fn local(path: &str) -> Result<PathBuf, String> {
    let path = match path.strip_prefix("//") {
        Some(rest) if rest.starts_with('/') => rest,
        Some(_) => return Err("names a host; write `file:/path`".to_owned()),
        None => path,
    };
    if path.is_empty() {
        return Err("names no path".to_owned());
    }
    if path.contains('*') {
        return Err("holds a `*`, which is supported only as `configtree:/folder/*/`".to_owned());
    }
    Ok(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Kind, String, bool), String> {
        let folder = Path::new("/etc/app");
        Location::parse(text, Some(folder), (String::new(), Origin::Default))
            .map(|location| (location.kind, location.path.display().to_string(), location.optional))
    }

    #[test]
    fn files_folders_and_trees_are_told_apart() {
        for (text, kind, path, optional) in [
            ("file:./a.yml", Kind::File, "./a.yml", false),
            ("optional:file:/a.yaml", Kind::File, "/a.yaml", true),
            ("file:///a.yml", Kind::File, "/a.yml", false),
            ("a.yml", Kind::File, "/etc/app/a.yml", false),
            ("optional:sub/a.yml", Kind::File, "/etc/app/sub/a.yml", true),
            ("/b/a.yml", Kind::File, "/b/a.yml", false),
            ("file:/etc/myconfig[.yaml]", Kind::File, "/etc/myconfig", false),
            ("file:/etc/x[extension=.yml][encoding=utf-8]", Kind::File, "/etc/x", false),
            ("file:/etc/config/", Kind::Folder, "/etc/config/", false),
            ("configtree:/run/secrets/", Kind::Tree, "/run/secrets/", false),
            ("optional:configtree:/etc/config/*/", Kind::Trees, "/etc/config", true),
        ] {
            assert_eq!(parse(text), Ok((kind, path.to_owned(), optional)), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for (text, why) in [
            ("configserver:http://c", "`configserver:` is not supported"),
            ("optional:vault://secret", "`vault:` is not supported"),
            ("classpath:/a.yml", "no class path"),
            ("env:MY_CONFIG", "`env:` is not supported"),
            ("file:a.properties", ".properties"),
            ("file:/etc/myconfig", "ends in .yml"),
            ("file://host/a.yml", "names a host"),
            ("file:/etc/*/a.yml", "`*`"),
            ("file:a.yml[encoding=utf-16]", "[encoding=utf-16]"),
            ("file:", "no path"),
        ] {
            let refused = parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
}
