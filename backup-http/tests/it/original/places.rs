//! Where the original's variables point: three installations of YBA with ids that are no UUIDs, and a database.

use std::{collections::BTreeMap, time::Duration};

use yba_client::{
    CreateBackup, RequestId, TableType,
    simulator::{Simulator, UniverseSpec},
};

/// The three databases of the original: the prefix of their placeholders, and what their ids end in.
const DATABASES: [&str; 3] = ["db1", "db2", "uam"];

/// The original's driver.
pub(super) const YUGABYTE: &str = "com.yugabyte.Driver";

/// What the placeholders stand for: `<db1.url>`, `<datasource.url>`.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(BTreeMap<String, String>);

impl Places {
    /// Addresses that are never called, for tests of the settings alone.
    pub(super) fn made_up() -> Self {
        let mut places = Self::default();
        for name in DATABASES {
            places.installation(name, "https://yba.example.com");
        }
        places.datasource(
            "jdbc:yugabytedb://db.example.com:5433/backups?ApplicationName=backupOrchestrator&currentSchema=epricing&load-balance=true",
            "backup",
            YUGABYTE,
        );
        places
    }

    /// One installation at this address.
    pub(super) fn installation(&mut self, name: &str, base_url: &str) {
        self.set(name, "url", &format!("{base_url}/api/v1/customers/customer-{name}"));
        for part in ["universe", "storage"] {
            self.set(name, part, &format!("{part}-of-{name}"));
        }
        self.set(name, "token", &format!("token-for-{name}-4b1d27"));
    }

    pub(super) fn datasource(&mut self, url: &str, username: &str, driver: &str) {
        self.set("datasource", "driver", driver);
        self.set("datasource", "url", url);
        self.set("datasource", "username", username);
        self.set("datasource", "password", "a-password");
    }

    pub(super) fn set(&mut self, name: &str, part: &str, value: &str) {
        self.0.insert(format!("<{name}.{part}>"), value.to_owned());
    }

    pub(super) fn get(&self, name: &str, part: &str) -> &str {
        &self.0[&format!("<{name}.{part}>")]
    }

    /// The text with every placeholder replaced.
    pub(super) fn fill(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (placeholder, value)| text.replace(placeholder, value))
    }
}

/// The three installations, each with a gateway that has the original's routes.
pub(super) struct Installations(BTreeMap<&'static str, Simulator>);

impl Installations {
    pub(super) async fn start(places: &mut Places) -> Self {
        let mut installations = BTreeMap::new();
        for name in DATABASES {
            places.installation(name, "");
            let yba = Simulator::builder()
                .customer(format!("customer-{name}"))
                .token(places.get(name, "token"))
                .task_duration(Duration::from_millis(20))
                .legacy_gateway()
                .start()
                .await;
            yba.add_universe(UniverseSpec::new(name).id(places.get(name, "universe")));
            yba.add_storage_config_with_id(name, places.get(name, "storage"));
            places.installation(name, &yba.url());
            installations.insert(name, yba);
        }
        Self(installations)
    }

    pub(super) fn at(&self, name: &str) -> &Simulator {
        &self.0[name]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Simulator> {
        self.0.values()
    }

    /// Somebody else takes a full backup: what an increment builds on.
    pub(super) async fn take_full_backup(&self, name: &str, places: &Places) -> String {
        let yba = self.at(name);
        let order =
            CreateBackup::full(places.get(name, "universe"), places.get(name, "storage"), TableType::Ysql);
        let client = yba.client();
        let accepted = client.backups().create(&order, &RequestId::new()).await.expect("it is accepted");
        crate::support::until(
            async || yba.backups(),
            |backups| {
                backups
                    .iter()
                    .any(|backup| backup.task == accepted.task && backup.state.as_str() == "Completed")
            },
        )
        .await
        .into_iter()
        .find(|backup| backup.task == accepted.task)
        .expect("a backup of the task")
        .id
        .to_string()
    }
}
