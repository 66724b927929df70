//! The settings: typed, with defaults, read from every source at once and checked together.
//!
//! Precedence, the weakest first: defaults, the file (base documents, then those of the active profiles), the
//! environment, flags.

mod address;
mod categories;
mod database;
mod datasource;
mod datasource_url;
mod drafts;
mod instance;
mod logging;
mod orchestrator;
mod records;
mod server;
mod strategy;
mod target;
mod yba;

use std::collections::BTreeMap;

pub use self::address::YbaAddress;
pub use self::datasource::{DatasourceSettings, PoolSettings, RetrySettings, SslMode};
pub use self::datasource_url::DatasourceUrl;
pub use self::instance::InstanceSettings;
pub use self::logging::{LogFormat, LoggingSettings};
pub use self::orchestrator::OrchestratorSettings;
pub use self::records::RecordSettings;
pub use self::server::{AuthSettings, ServerSettings};
pub use self::strategy::CategoryType;
pub use self::target::{
    Completion, Connection, OnMissingBase, OnSurplus, OnUnknown, Repeat, TableType, TargetSettings,
    TargetState,
};
pub use self::yba::YbaSettings;
use crate::explain::Explanation;
use crate::fault::{ConfigError, Fault, Faults, Warning};
use crate::file::{self, File, Main};
use crate::origin::Origin;
use crate::overrides::Overrides;
use crate::reader::{Key, Reader};
use crate::sources::Sources;

/// Everything that is configured, resolved and checked.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// `application.name` (Spring's `spring.application.name`, `APPLICATION_NAME`): how the service calls itself.
    pub application_name: String,
    /// The active profiles.
    pub profiles: Vec<String>,
    /// `yba.*`: what all calls to YBA have in common.
    pub yba: YbaSettings,
    /// `yba.instances.*`, and those derived from the URLs of targets; only complete ones.
    pub instances: BTreeMap<String, InstanceSettings>,
    /// `yba.databases.*`: what can be backed up, in the order of the keys.
    pub targets: Vec<TargetSettings>,
    /// `datasource.*`: where records are kept.
    pub datasource: DatasourceSettings,
    /// `server.*`: the HTTP service.
    pub server: ServerSettings,
    /// `logging.*`.
    pub logging: LoggingSettings,
    /// `orchestrator.*`: how backups are followed.
    pub orchestrator: OrchestratorSettings,
    explanation: Explanation,
    warnings: Vec<Warning>,
}

/// What can be said of a configuration, whether it is right or not.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Examination {
    /// Every setting that could be read, with its value and its origin; secrets are masked.
    pub explanation: Explanation,
    /// Everything that is wrong.
    pub faults: Vec<Fault>,
    /// What works, and what somebody should know about.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// Reads the settings and says what there is to say, without a verdict.
    ///
    /// # Errors
    ///
    /// A named file that cannot be read, or text that is no YAML.
    pub fn examine(sources: &Sources) -> Result<Examination, ConfigError> {
        Ok(Self::read_sources(sources)?.1)
    }

    /// What can be read, and what is wrong with it.
    fn read_sources(sources: &Sources) -> Result<(Self, Examination), ConfigError> {
        let main = sources.main()?;
        Self::read_from(main.as_ref(), sources)
    }

    /// Loads the settings, or says everything that is wrong with them.
    ///
    /// # Errors
    ///
    /// A named file that cannot be read, text that is no YAML, or settings that are wrong: all of them at once.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let main = sources.main()?;
        Self::from_main(main.as_ref(), sources)
    }

    /// The same for a text in place of the file; `name` stands for it in faults. An empty text stands for no file.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load), for the text.
    pub fn from_text(name: &str, text: &str, sources: &Sources) -> Result<Self, ConfigError> {
        let main = Main { name: name.to_owned(), text: text.to_owned(), path: None };
        Self::from_main(Some(main).filter(|main| !main.text.trim().is_empty()).as_ref(), sources)
    }

    fn from_main(main: Option<&Main>, sources: &Sources) -> Result<Self, ConfigError> {
        let (settings, Examination { explanation, faults, warnings }) = Self::read_from(main, sources)?;
        if faults.is_empty() {
            return Ok(Self { explanation, warnings, ..settings });
        }
        Err(Faults(faults).into())
    }

    fn read_from(main: Option<&Main>, sources: &Sources) -> Result<(Self, Examination), ConfigError> {
        let mut faults = Vec::new();
        let overrides = Overrides::new(sources, &mut faults);
        let file = file::read(main, &overrides, &mut faults)?;
        let mut reader = Reader::new(&overrides, &file, &sources.strategies);
        reader.faults = faults;
        let settings = Self::read(&mut reader, &file);
        reader.refuse_unknown();
        if let Some(name) = Sources::unread_file().filter(|_| file.is_absent) {
            let message =
                "lies in the working directory and is not read; name it with --config or BACKUP_CONFIG";
            reader.warn(name, message);
        }
        let Reader { rows, mut faults, warnings, .. } = reader;
        faults.sort_by_key(|fault| fault.origin.as_ref().and_then(Origin::line).unwrap_or(usize::MAX));
        faults.dedup();
        Ok((settings, Examination { explanation: Explanation { rows }, faults, warnings }))
    }

    fn read(reader: &mut Reader<'_>, file: &File) -> Self {
        reader.know("spring.profiles.active");
        if let Some(origin) = &file.chosen_by {
            reader.row("spring.profiles.active", file.profiles.join(", "), origin.clone());
        }
        let name = Key::from("application.name").or("spring.application.name");
        let application_name = reader.setting(name, "yugabytedb-backup".to_owned());
        let yba = YbaSettings::read(reader);
        let mut instances = instance::read_all(reader, &yba);
        let targets = drafts::read_all(reader, &yba, &mut instances);
        categories::check(reader, &targets);
        Self {
            application_name,
            profiles: file.profiles.clone(),
            yba,
            instances: instances.complete,
            targets,
            datasource: DatasourceSettings::read(reader),
            server: ServerSettings::read(reader),
            logging: LoggingSettings::read(reader),
            orchestrator: OrchestratorSettings::read(reader),
            explanation: Explanation::default(),
            warnings: Vec::new(),
        }
    }

    /// Every setting with its value and its origin; secrets are masked.
    pub fn explain(&self) -> &Explanation {
        &self.explanation
    }

    /// What works, and what somebody should know about.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The target with this key, compared as keys are: without regard to case, `-` and `_`.
    pub fn target(&self, key: &str) -> Option<&TargetSettings> {
        let key = file::tree::canonical(key);
        self.targets.iter().find(|target| file::tree::canonical(&target.key) == key)
    }
}
