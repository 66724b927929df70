//! The command line: a few options of our own, and every setting in Spring's form, `--server.port=9000`.

use std::{ffi::OsString, net::IpAddr, path::PathBuf};

use backup_app::{Environment, Sources};
use clap::{CommandFactory, Parser, error::ErrorKind};

/// The backup service for YugabyteDB Anywhere: POST /backupProcess.
#[derive(Debug, Parser)]
#[command(
    version,
    about,
    after_help = "Every setting can be given as --its.key=VALUE, for example --server.port=9000 or \
                  --spring.profiles.active=uat. It counts before the environment and the file."
)]
struct Options {
    /// The configuration file; none is needed where the environment says enough.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port to listen on (server.port).
    #[arg(long, value_name = "N")]
    port: Option<u16>,
    /// The address to listen on (server.address).
    #[arg(long, value_name = "ADDRESS")]
    address: Option<IpAddr>,
}

/// Where the settings come from, by the arguments and the environment of this process. Ends the process where it was
/// asked for help, or for something that does not exist.
pub(crate) fn sources() -> Sources {
    read(std::env::args_os(), Environment::process()).unwrap_or_else(|error| error.exit())
}

fn read(
    arguments: impl IntoIterator<Item = OsString>,
    environment: Environment,
) -> Result<Sources, clap::Error> {
    let (mut own, mut overrides) = (Vec::new(), Vec::new());
    for argument in arguments {
        match setting(&argument)? {
            Some(setting) => overrides.push(setting),
            None => own.push(argument),
        }
    }
    let Options { config, port, address } = Options::try_parse_from(own)?;
    overrides.extend(port.map(|port| ("server.port".to_owned(), port.to_string())));
    overrides.extend(address.map(|address| ("server.address".to_owned(), address.to_string())));
    Ok(Sources { file: config, environment, overrides, ..Sources::default() })
}

/// `--its.key=value` as key and value; nothing for what is an option of ours.
fn setting(argument: &OsString) -> Result<Option<(String, String)>, clap::Error> {
    if let Some(option) = argument.to_str().and_then(|text| text.strip_prefix("-D"))
        && option.contains('.')
    {
        let key = option.split('=').next().unwrap_or_default();
        let message = format!("-D{key} is an option of Java; write --{key}=VALUE");
        return Err(Options::command().error(ErrorKind::UnknownArgument, message));
    }
    let Some(text) = argument.to_str().and_then(|text| text.strip_prefix("--")) else { return Ok(None) };
    let (key, value) = text.split_once('=').map_or((text, None), |(key, value)| (key, Some(value)));
    match value {
        _ if !key.contains('.') => Ok(None),
        Some(value) => Ok(Some((key.to_owned(), value.to_owned()))),
        None => {
            let message = format!("the setting has no value; write --{key}=VALUE");
            Err(Options::command().error(ErrorKind::InvalidValue, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_from(arguments: &[&str]) -> Result<Sources, String> {
        let arguments = std::iter::once("backup-http").chain(arguments.iter().copied()).map(OsString::from);
        read(arguments, Environment::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_in_spring_s_form_stand_beside_our_options() {
        let sources = read_from(&[
            "--server.port=9000",
            "--config",
            "a.b=c.yaml",
            "--spring.profiles.active=uat,blue",
            "--yba.databases.db1.api-token=a=b",
            "--address=127.0.0.2",
        ])
        .unwrap();
        assert_eq!(sources.file, Some("a.b=c.yaml".into()));
        let overrides: Vec<_> =
            sources.overrides.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            overrides,
            [
                ("server.port", "9000"),
                ("spring.profiles.active", "uat,blue"),
                ("yba.databases.db1.api-token", "a=b"),
                ("server.address", "127.0.0.2"),
            ]
        );
    }

    #[test]
    fn a_setting_without_a_value_is_told_its_form() {
        for arguments in [&["--server.port"] as &[_], &["--server.port", "9000"]] {
            let error = read_from(arguments).unwrap_err();
            assert!(error.contains("write --server.port=VALUE"), "{error}");
        }
    }

    #[test]
    fn an_option_of_java_is_told_our_form_without_its_value() {
        let error = read_from(&["-Dspring.datasource.password=s3cret"]).unwrap_err();
        assert!(
            error.contains("write --spring.datasource.password=VALUE") && !error.contains("s3cret"),
            "{error}"
        );
    }

    #[test]
    fn what_is_no_setting_is_an_option() {
        assert!(read_from(&["--prot=9000"]).unwrap_err().contains("--prot"));
        assert!(read_from(&["server.port=9000"]).is_err());
        assert_eq!(read_from(&[]).unwrap().overrides, []);
    }
}
