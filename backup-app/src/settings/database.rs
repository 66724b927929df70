//! Which database: the one address among all the keys that may hold it, or a fault. Records must never end in a private
//! SQLite file because an address was overlooked.

use super::datasource::user;
use super::datasource_url::DatasourceUrl;
use crate::fault::Fault;
use crate::reader::{Key, Reader};

/// Reads the address. Without one the database is an SQLite file, unless something else speaks of a server.
pub(super) fn read(reader: &mut Reader<'_>) -> DatasourceUrl {
    let faults = reader.faults.len();
    let given: Option<DatasourceUrl> = reader.optional(url());
    let driver = reader.text(&driver());
    if reader.faults.len() > faults {
        return given.unwrap_or_default();
    }
    match given {
        None => refuse_server_without_address(reader, driver.is_some_and(|driver| !is_sqlite(&driver))),
        Some(url) => {
            if driver.is_some_and(|driver| is_sqlite(&driver) != url.is_sqlite()) {
                reader.fault("datasource.url", "is no address for the driver of `driver-class-name`");
            }
            return url;
        }
    }
    reader.setting(url(), DatasourceUrl::default())
}

/// Hikari's own setting is stronger than that of the datasource, as in Spring.
fn url() -> Key {
    Key::from("datasource.url")
        .or("datasource.hikari.jdbc-url")
        .or("spring.datasource.hikari.jdbc-url")
        .or("spring.datasource.url")
}

fn driver() -> Key {
    user("driver-class-name")
}

fn is_sqlite(driver: &str) -> bool {
    driver.to_ascii_lowercase().contains("sqlite")
}

/// Keys that only a server needs, and an address that is there and says nothing.
fn refuse_server_without_address(reader: &mut Reader<'_>, has_driver: bool) {
    let ssl = ["datasource.ssl.enable", "datasource.ssl.mode"].map(Key::from);
    let secret_file = Key::from("datasource.password-file").or("spring.datasource.password-file");
    let keys = [url(), user("username"), user("password"), secret_file].into_iter().chain(ssl);
    let driver = has_driver.then(driver);
    let Some((key, path, origin)) = keys.chain(driver).find_map(|key| {
        let (path, origin) = reader.mention(&key)?;
        Some((key.path, path, origin))
    }) else {
        return;
    };
    let message = if key == "datasource.url" {
        "is empty: without an address the records would go to a private SQLite file; set it, to `sqlite:backups.db` if \
         that is meant"
            .to_owned()
    } else {
        format!(
            "is not set, and `{path}` means a server: without an address the records would go to a private SQLite file; \
             set it, to `sqlite:backups.db` if that is meant"
        )
    };
    reader.faults.push(Fault::new("datasource.url", origin, message));
}
