//! Reads the files of a configuration, those that they import, and those of the active profiles, into one order.
//!
//! The order is Spring's: what a document imports is stronger than the document, what is imported for a profile is
//! stronger than both, and of two places the later one wins. Whatever is imported twice counts once.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::control::{self, ADDITIONAL_LOCATION, IMPORT, LOCATION, ON_PROFILE};
use super::location::{self, Kind, Location};
use super::tree::Map;
use super::{Main, config_tree, expression, read, yaml};
use crate::fault::{ConfigError, Fault};
use crate::origin::Origin;
use crate::overrides::Overrides;
use crate::values::Values;

/// More files than any configuration has.
const MAX_FILES: usize = 200;

/// A document, and the files that are imported where it stands; the root and the named places have no document.
#[derive(Default)]
pub(super) struct Branch {
    document: Option<Document>,
    imports: Vec<Location>,
    /// Whether the imports were read.
    is_loaded: bool,
    /// Whether it counts for the active profiles.
    is_active: bool,
    /// What is imported whatever the profiles are, the weakest first.
    plain: Vec<Branch>,
    /// What is imported for the active profiles.
    of_profiles: Vec<Branch>,
}

struct Document {
    map: Map,
    origin: Origin,
    /// The expression that must hold for the active profiles.
    condition: Option<Vec<String>>,
    /// What the document imports, as it is written.
    imports: Option<(Vec<String>, Origin)>,
    /// The folder of its file, where relative imports start.
    folder: Option<PathBuf>,
}

impl Branch {
    fn of_locations(imports: Vec<Location>) -> Self {
        Self { imports, ..Self::default() }
    }

    fn of_children(plain: Vec<Self>) -> Self {
        Self { plain, is_loaded: true, ..Self::default() }
    }

    fn condition(&self) -> Option<&Vec<String>> {
        self.document.as_ref()?.condition.as_ref()
    }

    /// The documents that count whatever the profiles are, the weakest first.
    pub(super) fn unconditional(&self) -> Vec<&Map> {
        if self.condition().is_some() {
            return Vec::new();
        }
        let own = self.document.iter().map(|document| &document.map);
        own.chain(self.plain.iter().flat_map(Self::unconditional)).collect()
    }

    /// The documents that count, the weakest first.
    pub(super) fn into_active(self) -> Vec<Map> {
        if !self.is_active {
            return Vec::new();
        }
        let own = self.document.map(|mut document| {
            if let Some(condition) = document.condition {
                document.map.set_profile(&Arc::from(condition.join(", ")));
            }
            document.map
        });
        let below = self.plain.into_iter().chain(self.of_profiles).flat_map(Self::into_active);
        own.into_iter().chain(below).collect()
    }
}

/// Reads files, each once.
pub(super) struct Loader<'l> {
    overrides: &'l Overrides<'l>,
    read: BTreeSet<PathBuf>,
    pub(super) faults: Vec<Fault>,
}

impl<'l> Loader<'l> {
    pub(super) fn new(overrides: &'l Overrides<'l>) -> Self {
        Self { overrides, read: BTreeSet::new(), faults: Vec::new() }
    }

    /// The places to read from, the weakest first. `spring.config.location` stands in place of the main file.
    pub(super) fn root(&mut self, main: Option<&Main>) -> Result<Branch, ConfigError> {
        let mut places = Vec::new();
        let locations = self.named(LOCATION);
        if let Some(main) = main {
            if let Some(location) = locations.first() {
                let (key, origin) = location.named_by.clone();
                let message = format!("is set beside {}; name the files in one place", main.name);
                self.faults.push(Fault::new(key, origin, message));
            }
            places.push(self.main(main)?);
        } else {
            places.extend(locations.into_iter().map(|location| Branch::of_locations(vec![location])));
        }
        let additional = self.named(ADDITIONAL_LOCATION).into_iter();
        places.extend(additional.map(|location| Branch::of_locations(vec![location])));
        places.push(Branch::of_locations(self.named(IMPORT)));
        Ok(Branch::of_children(places))
    }

    fn main(&mut self, main: &Main) -> Result<Branch, ConfigError> {
        let path = main.path.clone();
        if let Some(path) = &path {
            self.is_new(path);
        }
        let folder = path.as_deref().and_then(Path::parent);
        let plain = self.documents(&main.name, &main.text, folder, false)?;
        let imports = path.into_iter().map(|path| Location::file(path, "(file)", Origin::Default)).collect();
        Ok(Branch { imports, ..Branch::of_children(plain) })
    }

    /// The locations that a key of the stronger sources names.
    fn named(&mut self, key: &str) -> Vec<Location> {
        let Some((texts, origin)) = self.overrides.texts(key) else { return Vec::new() };
        self.locations(&texts, key, &origin, None, &Map::default())
    }

    fn locations(
        &mut self,
        texts: &[String],
        key: &str,
        origin: &Origin,
        folder: Option<&Path>,
        tree: &Map,
    ) -> Vec<Location> {
        let mut locations = Vec::new();
        for text in texts {
            let filled = Values { overrides: self.overrides, tree }.fill(text, false);
            let filled = match filled {
                Ok(filled) => filled.text,
                Err(error) => {
                    self.faults.push(Fault::new(key, origin.clone(), error.to_string()));
                    continue;
                }
            };
            for one in location::split(&filled) {
                match Location::parse(one, folder, (key.to_owned(), origin.clone())) {
                    Ok(location) => locations.push(location),
                    Err(message) => self.faults.push(Fault::new(key, origin.clone(), message)),
                }
            }
        }
        locations
    }

    /// Reads what is imported whatever the profiles are.
    pub(super) fn without_profiles(&mut self, branch: &mut Branch) -> Result<(), ConfigError> {
        if branch.condition().is_none() {
            self.load(branch)?;
        }
        branch.plain.iter_mut().try_for_each(|child| self.without_profiles(child))
    }

    /// Reads what is imported for these profiles, and decides what counts.
    pub(super) fn with_profiles(
        &mut self,
        branch: &mut Branch,
        active: &[String],
        tree: &Map,
    ) -> Result<(), ConfigError> {
        branch.is_active = self.accepts(branch, active, tree);
        if !branch.is_active {
            return Ok(());
        }
        self.load(branch)?;
        for location in &branch.imports {
            let files = self.files_of_profiles(location, active)?;
            branch.of_profiles.extend(files);
        }
        let children = branch.plain.iter_mut().chain(&mut branch.of_profiles);
        children.into_iter().try_for_each(|child| self.with_profiles(child, active, tree))
    }

    fn accepts(&mut self, branch: &Branch, active: &[String], tree: &Map) -> bool {
        let Some(document) = &branch.document else { return true };
        let Some(condition) = &document.condition else { return true };
        let values = Values { overrides: self.overrides, tree };
        let accepted = condition.iter().try_fold(false, |accepted, text| {
            let text = values.fill(text, false).ok()?.text;
            Some(accepted | expression::accepts(&text, active)?)
        });
        accepted.unwrap_or_else(|| {
            let message = "is no profile expression (`&` and `|` side by side need parentheses)";
            self.faults.push(Fault::new(ON_PROFILE, document.origin.clone(), message));
            false
        })
    }

    fn load(&mut self, branch: &mut Branch) -> Result<(), ConfigError> {
        if branch.is_loaded {
            return Ok(());
        }
        branch.is_loaded = true;
        if let Some(document) = &branch.document
            && let Some((texts, origin)) = &document.imports
        {
            let folder = document.folder.as_deref();
            branch.imports = self.locations(texts, IMPORT, origin, folder, &document.map);
        }
        for location in &branch.imports {
            branch.plain.extend(self.open(location)?);
        }
        Ok(())
    }

    fn open(&mut self, location: &Location) -> Result<Vec<Branch>, ConfigError> {
        match location.kind {
            Kind::File => self.file(location, false),
            Kind::Folder => self.folder(location),
            Kind::Tree => Ok(self.tree(location, &location.path)),
            Kind::Trees => Ok(self.trees(location)),
        }
    }

    fn file(&mut self, location: &Location, of_profile: bool) -> Result<Vec<Branch>, ConfigError> {
        let path = &location.path;
        if path.exists() && !self.is_new(path) {
            return Ok(Vec::new());
        }
        match read::configuration(path) {
            Ok(text) => self.documents(&path.display().to_string(), &text, path.parent(), of_profile),
            Err(error) => {
                self.complain(location, path, &error);
                Ok(Vec::new())
            }
        }
    }

    /// The `application.yml` of a folder.
    fn folder(&mut self, location: &Location) -> Result<Vec<Branch>, ConfigError> {
        let mut branches = Vec::new();
        let files = self.files_in(location, "application");
        for file in &files {
            branches.extend(self.file(file, false)?);
        }
        if files.is_empty() && !location.optional {
            let message = format!("the folder {} holds no application.yml", location.path.display());
            let (key, origin) = location.named_by.clone();
            self.faults.push(Fault::new(key, origin, message));
        }
        Ok(branches)
    }

    /// The files of this name that are there. Spring would read `.properties` too, and prefer them.
    fn files_in(&mut self, location: &Location, name: &str) -> Vec<Location> {
        let path = |extension: &str| location.path.join(format!("{name}.{extension}"));
        if path("properties").exists() {
            let error = io::Error::other("a .properties file is not supported; write it as YAML (.yml)");
            self.complain(location, &path("properties"), &error);
        }
        let (key, origin) = &location.named_by;
        let files = ["yaml", "yml"].into_iter().map(path).filter(|path| path.exists());
        files.map(|path| Location::file(path, key, origin.clone())).collect()
    }

    /// The files of the profiles that belong to a location: the later profile wins.
    fn files_of_profiles(
        &mut self,
        location: &Location,
        active: &[String],
    ) -> Result<Vec<Branch>, ConfigError> {
        let default = ["default".to_owned()];
        let mut branches = Vec::new();
        for profile in if active.is_empty() { &default } else { active } {
            let files = match location.kind {
                Kind::File => vec![location.for_profile(&location.path, profile)],
                Kind::Folder => self.files_in(location, &format!("application-{profile}")),
                Kind::Tree | Kind::Trees => Vec::new(),
            };
            for file in files {
                branches.extend(self.file(&file, true)?);
            }
        }
        Ok(branches)
    }

    fn tree(&mut self, location: &Location, folder: &Path) -> Vec<Branch> {
        if folder.exists() && !self.is_new(folder) {
            return Vec::new();
        }
        match config_tree::read(folder) {
            Ok(map) => {
                let origin = Origin::ConfigTree { path: folder.to_owned() };
                let document = Document { map, origin, condition: None, imports: None, folder: None };
                vec![Branch { document: Some(document), is_loaded: true, ..Branch::default() }]
            }
            Err(error) => {
                self.complain(location, folder, &error);
                Vec::new()
            }
        }
    }

    fn trees(&mut self, location: &Location) -> Vec<Branch> {
        let folders = std::fs::read_dir(&location.path).and_then(|entries| {
            let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
            Ok(paths.into_iter().filter(|path| path.is_dir() && !is_hidden(path)).collect::<BTreeSet<_>>())
        });
        match folders {
            Ok(folders) => folders.iter().flat_map(|folder| self.tree(location, folder)).collect(),
            Err(error) => {
                self.complain(location, &location.path, &error);
                Vec::new()
            }
        }
    }

    fn documents(
        &mut self,
        name: &str,
        text: &str,
        folder: Option<&Path>,
        of_profile: bool,
    ) -> Result<Vec<Branch>, ConfigError> {
        if read::is_properties(text) {
            let message = "has the form of a .properties file; write it as YAML (`server.port: 8989`)";
            self.faults.push(Fault::new("(file)", Origin::line_of(&Arc::from(name), 1), message));
            return Ok(Vec::new());
        }
        let documents = yaml::documents(&Arc::from(name), text, &mut self.faults)?;
        let mut branches = Vec::new();
        for yaml::Document { map, origin } in documents {
            let condition = map.get(ON_PROFILE).and_then(|entry| entry.node.texts());
            if control::check_document(&map, condition.is_some() || of_profile, &mut self.faults) {
                let imports =
                    map.get(IMPORT).and_then(|entry| Some((entry.node.texts()?, entry.origin.clone())));
                let folder = folder.map(Path::to_owned);
                let document = Document { map, origin, condition, imports, folder };
                branches.push(Branch { document: Some(document), ..Branch::default() });
            }
        }
        Ok(branches)
    }

    /// Whether a file or a folder was not read before.
    fn is_new(&mut self, path: &Path) -> bool {
        if self.read.len() >= MAX_FILES {
            let message = format!("more than {MAX_FILES} files are imported");
            self.faults.push(Fault::new(IMPORT, None::<Origin>, message));
            return false;
        }
        self.read.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()))
    }

    fn complain(&mut self, location: &Location, path: &Path, error: &io::Error) {
        if location.optional && error.kind() == io::ErrorKind::NotFound {
            return;
        }
        let (key, origin) = location.named_by.clone();
        let message = format!("{} cannot be read: {error}", path.display());
        self.faults.push(Fault::new(key, origin, message));
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".."))
}
