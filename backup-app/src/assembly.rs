//! From settings to a running orchestrator: the one place where store, resolver, strategies and clients meet.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use backup_core::{
    BackupTarget, BuildError, FixedTargets, IncompleteTarget, InstanceName, LegacyUrls, Orchestrator,
    OrchestratorBuilder, ResolveError, TrackingStore,
    strategy::{FullBackup, IncrementalBackup, YbaInstances},
};
use backup_store::{ConnectError, PoolConfig, RetryPolicy, StoreConfig, StoreEvent};
use secrecy::{ExposeSecret, SecretString};
use yba_client::{CallReport, CircuitBreaker, TokenState, YbaClient};

use crate::settings::{
    Connection, DatasourceSettings, InstanceSettings, RecordSettings, Settings, TargetSettings, TargetState,
    YbaAddress, YbaSettings,
};

/// What an orchestrator is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes up whatever is open and nobody follows, and deletes old records where the settings say so: the service, and
    /// `backup-cli reconcile`.
    Service,
    /// Follows only what it was asked for.
    CommandLine,
    /// Looks at what is recorded, or cancels it: as the command line, but a database that is not there is not made.
    Inspection,
}

/// A running orchestrator and what it was made from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The orchestrator.
    pub orchestrator: Orchestrator,
    /// The clients of the YBA instances, by name.
    pub yba: YbaInstances,
}

/// Why nothing could be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The database cannot be used.
    #[error("the tracking store cannot be used")]
    Store(#[from] ConnectError),
    /// A YBA instance cannot be addressed.
    #[error("the YBA instance \"{name}\" cannot be used")]
    Instance {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: Box<yba_client::Error>,
    },
    /// A file that the configuration names cannot be read.
    #[error("the CA certificate of the YBA instance \"{name}\" cannot be read from {}", path.display())]
    Certificate {
        /// The instance.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Two targets answer to one name.
    #[error(transparent)]
    Targets(#[from] ResolveError),
    /// A target names a strategy that is not registered: every backup of it would fail.
    #[error("the target \"{target}\" names the strategy \"{strategy}\", which is not registered")]
    Strategy {
        /// The target.
        target: String,
        /// The name of the strategy.
        strategy: String,
    },
    /// The orchestrator cannot be put together.
    #[error(transparent)]
    Orchestrator(#[from] BuildError),
}

impl App {
    /// Opens the store alone, to look at the records or to cancel: no client is made and no engine runs, so that nothing else of
    /// the settings matters.
    ///
    /// # Errors
    ///
    /// As [`backup_store::connect`].
    pub async fn open(settings: &RecordSettings, role: Role) -> Result<Arc<dyn TrackingStore>, ConnectError> {
        let config = store_config(&settings.datasource, &settings.application_name, role);
        backup_store::connect(&config).await
    }

    /// Opens the store and starts an orchestrator, on the current tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError::Store`] when the database cannot be used, after the retries that the settings allow;
    /// [`StartError::Instance`] and [`StartError::Certificate`] for a client that cannot be made;
    /// [`StartError::Orchestrator`] for settings that the engine refuses.
    pub async fn start(settings: Settings, role: Role) -> Result<Self, StartError> {
        Self::start_with(settings, role, |builder| builder).await
    }

    /// [`App::start`], with strategies or a clock of one's own.
    ///
    /// ```no_run
    /// # use backup_app::{App, Role, Settings, Sources};
    /// # async fn example(settings: Settings, mine: impl backup_core::BackupStrategy) -> Result<(), backup_app::StartError> {
    /// let app = App::start_with(settings, Role::Service, |builder| builder.strategy(mine)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// [`Sources::strategies`](crate::Sources::strategies) names the strategies that the settings may refer to.
    ///
    /// # Errors
    ///
    /// As [`App::start`]; and [`StartError::Strategy`] where a target names a strategy that is not registered.
    pub async fn start_with(
        settings: Settings,
        role: Role,
        adjust: impl FnOnce(OrchestratorBuilder) -> OrchestratorBuilder,
    ) -> Result<Self, StartError> {
        let (yba, resolver) = targets_and_clients(&settings)?;
        let builder = Orchestrator::builder()
            .resolver(resolver)
            .strategy(FullBackup::new(yba.clone()))
            .strategy(IncrementalBackup::new(yba.clone()))
            .settings(orchestrator_settings(&settings, role));
        let builder = adjust(builder);
        check_strategies(&settings, &builder)?;
        let builder = builder.store(Self::open(&RecordSettings::of(&settings), role).await?);
        for target in &settings.targets {
            if let TargetState::HalfSet { missing } = &target.state {
                tracing::error!(
                    target = target.key,
                    missing = missing.join(", "),
                    "a target is only half configured"
                );
            }
        }
        let orchestrator = builder.start()?;
        if role == Role::Service {
            let yba = yba.clone();
            tokio::spawn(async move { yba.check_markers().await });
        }
        Ok(Self { settings: Arc::new(settings), orchestrator, yba })
    }
}

fn check_strategies(settings: &Settings, builder: &OrchestratorBuilder) -> Result<(), StartError> {
    let unknown = settings.targets.iter().find(|target| !builder.has_strategy(target.category_type.as_str()));
    unknown.map_or(Ok(()), |target| {
        Err(StartError::Strategy {
            target: target.key.clone(),
            strategy: target.category_type.as_str().to_owned(),
        })
    })
}

/// The clients of the YBA instances that the settings name. Nothing is asked.
///
/// # Errors
///
/// [`StartError::Instance`] and [`StartError::Certificate`] for a client that cannot be made, [`StartError::Targets`].
pub fn yba_instances(settings: &Settings) -> Result<YbaInstances, StartError> {
    Ok(targets_and_clients(settings)?.0)
}

/// Opens the store that the settings name, to ask whether it is well: no file is made, and no table is changed.
///
/// # Errors
///
/// As [`backup_store::connect`].
pub async fn open_store(
    settings: &DatasourceSettings,
    application_name: &str,
) -> Result<Arc<dyn TrackingStore>, ConnectError> {
    let mut config = store_config(settings, application_name, Role::Inspection);
    config.migrate = false;
    backup_store::connect(&config).await
}

fn store_config(settings: &DatasourceSettings, application_name: &str, role: Role) -> StoreConfig {
    let mut config = StoreConfig::new(address(settings, application_name));
    config.create_file = role != Role::Inspection;
    config.username.clone_from(&settings.username);
    config.password.clone_from(&settings.password);
    config.schema = Some(settings.schema.clone());
    config.migrate = settings.migrate;
    let pool = &settings.pool;
    config.pool = PoolConfig {
        max_connections: pool.maximum_size,
        min_connections: pool.minimum_idle,
        acquire_timeout: pool.connection_timeout,
        idle_timeout: pool.idle_timeout,
        max_lifetime: pool.max_lifetime,
    };
    let retry = &settings.retry;
    config.retry = RetryPolicy {
        connection_tries: retry.max_attempts,
        first_delay: retry.initial_delay,
        multiplier: retry.multiplier,
        max_delay: retry.max_delay,
        ..RetryPolicy::default()
    };
    config.observer = Some(Arc::new(|event| match event {
        StoreEvent::Retry { operation, reason } => {
            metrics::counter!("database_retry_total", "operation" => operation, "reason" => reason)
                .increment(1);
        }
        StoreEvent::RoundTrip { operation } => {
            metrics::counter!("database_round_trips_total", "operation" => operation).increment(1);
        }
        StoreEvent::UnreadableRow { table, column } => {
            metrics::counter!("store_unreadable_rows", "table" => table, "column" => column).increment(1);
        }
        _ => {}
    }));
    config
}

/// The address with what is set beside it. What the address itself says wins.
fn address(settings: &DatasourceSettings, application_name: &str) -> String {
    let mut address = settings.url.expose().to_owned();
    if settings.url.is_sqlite() {
        return address;
    }
    let mut add = |name: &str, value: &str| {
        let lower = address.to_ascii_lowercase();
        if !lower.contains(&format!("{}=", name.to_ascii_lowercase())) {
            let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
            let separator = if address.contains('?') { '&' } else { '?' };
            address = format!("{address}{separator}{name}={value}");
        }
    };
    match (settings.ssl_enable, settings.ssl_mode) {
        (Some(false), _) => add("sslmode", "disable"),
        (_, Some(mode)) => add("sslmode", mode.as_str()),
        // As for the JDBC drivers: asked for without a mode, it is verified.
        (Some(true), None) => add("sslmode", "verify-full"),
        (None, None) => {}
    }
    let name =
        if settings.url.expose().starts_with("jdbc:") { "ApplicationName" } else { "application_name" };
    add(name, application_name);
    address
}

fn orchestrator_settings(settings: &Settings, role: Role) -> backup_core::Settings {
    let mut core = backup_core::Settings::default();
    core.concurrency_per_instance = settings.yba.max_concurrent_calls as usize;
    core.concurrency_of = concurrency_of(settings);
    let settings = &settings.orchestrator;
    core.lease = settings.lease;
    core.settle_time = settings.settle_time;
    core.poll_first = settings.poll_first;
    core.poll_max = settings.poll_max;
    core.retry_first = settings.retry_first;
    core.retry_max = settings.retry_max;
    core.wait_limit = settings.wait_limit;
    core.max_attempts = settings.max_attempts;
    core.concurrency = settings.concurrency as usize;
    core.max_in_flight = settings.max_in_flight as usize;
    core.claim_interval = (role == Role::Service).then_some(settings.claim_interval);
    core.audit_interval = (role == Role::Service).then_some(settings.audit_interval);
    core.audit_for = settings.audit_for;
    core.shutdown_timeout = settings.shutdown_timeout;
    core.keep_finished = settings.keep_finished.filter(|_| role == Role::Service);
    core
}

/// The targets, and a client for each pair of instance and token that they use.
fn targets_and_clients(settings: &Settings) -> Result<(YbaInstances, FixedTargets), StartError> {
    let mut clients: BTreeMap<InstanceName, YbaClient> = BTreeMap::new();
    let mut ready = Vec::new();
    let mut incomplete = Vec::new();
    for (name, instance) in &settings.instances {
        if let Some(token) = &instance.api_token {
            clients.insert(
                name.as_str().into(),
                client(name, Some(instance), &[], (token, instance.api_token_file.as_ref()), &settings.yba)?,
            );
        }
    }
    for target in &settings.targets {
        match &target.state {
            TargetState::Ready(connection) => {
                let name = client_of(target, connection, settings, &mut clients)?;
                ready.push(backup_target(target, connection, name));
            }
            TargetState::HalfSet { missing } => incomplete.push(IncompleteTarget {
                key: target.key.clone(),
                category_codes: target.category_codes.clone(),
                missing: missing.clone(),
            }),
        }
    }
    let instances =
        clients.into_iter().fold(YbaInstances::builder(), |all, (name, client)| all.instance(name, client));
    Ok((instances.build(), FixedTargets::new(ready, incomplete)?))
}

/// The instance that a target names or implies.
fn instance_of<'s>(
    connection: &Connection,
    settings: &'s Settings,
) -> Option<(&'s str, &'s InstanceSettings)> {
    let (name, instance) = settings.instances.get_key_value(connection.instance.as_ref()?)?;
    Some((name, instance))
}

/// Whether a target uses the client of its instance: with a token of its own, or without an instance, it does not.
fn shares_client(connection: &Connection, settings: &Settings) -> bool {
    let instance = instance_of(connection, settings);
    let token = instance.and_then(|(_, instance)| instance.api_token.as_ref());
    token.is_some_and(|token| same(token, &connection.api_token))
}

/// The name of a target's client.
fn client_name(target: &TargetSettings, connection: &Connection, settings: &Settings) -> InstanceName {
    match instance_of(connection, settings) {
        Some((name, _)) if shares_client(connection, settings) => name.into(),
        Some((name, _)) => format!("{name}, token of {}", target.key).into(),
        None => target.key.as_str().into(),
    }
}

/// How many steps each client may have under way: as many as calls.
fn concurrency_of(settings: &Settings) -> BTreeMap<InstanceName, usize> {
    let ready = settings.targets.iter().filter_map(|target| match &target.state {
        TargetState::Ready(connection) => Some((target, connection)),
        TargetState::HalfSet { .. } => None,
    });
    let limits = ready.map(|(target, connection)| {
        let instance = instance_of(connection, settings);
        let calls = instance.map_or(settings.yba.max_concurrent_calls, |(_, own)| own.max_concurrent_calls);
        (client_name(target, connection, settings), calls as usize)
    });
    limits.collect()
}

/// The name of a target's client, which is made where the target needs one of its own.
fn client_of(
    target: &TargetSettings,
    connection: &Connection,
    settings: &Settings,
    clients: &mut BTreeMap<InstanceName, YbaClient>,
) -> Result<InstanceName, StartError> {
    let name = client_name(target, connection, settings);
    if shares_client(connection, settings) {
        return Ok(name);
    }
    let urls: Vec<&str> = [&target.full_backup_url, &target.incremental_backup_url, &target.last_backup_url]
        .into_iter()
        .flatten()
        .map(|url| url.expose().as_str())
        .collect();
    let instance = instance_of(connection, settings).map(|(_, instance)| instance);
    let token = (&connection.api_token, connection.api_token_file.as_ref());
    let made = client(name.as_str(), instance, &urls, token, &settings.yba)?;
    clients.insert(name.clone(), made);
    Ok(name)
}

fn same(left: &SecretString, right: &SecretString) -> bool {
    left.expose_secret() == right.expose_secret()
}

/// A client of an instance; without one, for the host of the first URL.
fn client(
    name: &str,
    instance: Option<&InstanceSettings>,
    urls: &[&str],
    (token, token_file): (&SecretString, Option<&PathBuf>),
    yba: &YbaSettings,
) -> Result<YbaClient, StartError> {
    let addresses: Vec<String> = match instance {
        Some(instance) => instance.base_urls.iter().map(ToString::to_string).collect(),
        None => urls.iter().take(1).map(|url| origin(url)).collect(),
    };
    let mut addresses = addresses.into_iter();
    let mut builder = YbaClient::builder(addresses.next().unwrap_or_default());
    for address in addresses {
        builder = builder.address(address);
    }
    for url in urls {
        builder = builder.allowed_host(origin(url));
    }
    if let Some(instance) = instance {
        builder = builder.customer(instance.customer_uuid.as_str());
    }
    builder = builder
        .token(token.clone())
        .on_token(unauthorized_gauge(name))
        .total_timeout(yba.call_timeout)
        .connect_timeout(yba.connection_timeout)
        .read_timeout(yba.read_timeout)
        .retry(yba_client::RetryPolicy {
            max_attempts: yba.max_retry_attempts,
            ..yba_client::RetryPolicy::default()
        });
    builder = builder
        .max_concurrent_requests(
            instance.map_or(yba.max_concurrent_calls, |i| i.max_concurrent_calls) as usize
        )
        .circuit_breaker(CircuitBreaker::default())
        .on_call(count_call);
    if let Some(file) = token_file {
        builder = builder.token_file(file);
    }
    if let Some(calls) = instance.map_or(yba.max_calls_per_second, |i| i.max_calls_per_second) {
        builder = builder.max_requests_per_second(calls);
    }
    if let Some(path) =
        instance.map_or(yba.ca_certificate.as_ref(), |instance| instance.ca_certificate.as_ref())
    {
        let pem = std::fs::read(path).map_err(|source| StartError::Certificate {
            name: name.to_owned(),
            path: path.clone(),
            source,
        })?;
        builder = builder.ca_certificate(pem);
    }
    if instance.map_or(yba.insecure_skip_verify, |instance| instance.insecure_skip_verify) {
        tracing::warn!(instance = name, "the certificate of this YBA is NOT verified (insecure-skip-verify)");
        builder = builder.danger_accept_any_certificate();
    }
    builder.build().map_err(|source| StartError::Instance { name: name.to_owned(), source: Box::new(source) })
}

/// Says in a gauge whether an instance refuses its token: 0 from the start, so that an alert has something to look at.
fn unauthorized_gauge(name: &str) -> impl Fn(TokenState) + Send + Sync + 'static {
    let name = name.to_owned();
    let set = move |state| {
        let value = if state == TokenState::Refused { 1.0 } else { 0.0 };
        metrics::gauge!("yba_instance_unauthorized", "instance" => name.clone()).set(value);
    };
    set(TokenState::Accepted);
    set
}

fn count_call(call: &CallReport) {
    let status = call.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    metrics::histogram!("yba_api_request_duration_seconds", "operation" => call.operation, "status" => status)
        .record(call.elapsed.as_secs_f64());
}

/// Scheme, host and port.
fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| url.to_owned(), |url| url.origin().ascii_serialization())
}

fn backup_target(target: &TargetSettings, connection: &Connection, instance: InstanceName) -> BackupTarget {
    let mut core = BackupTarget::new(
        target.key.as_str(),
        instance,
        connection.universe_uuid.as_str(),
        connection.storage_config_uuid.as_str(),
    )
    .with_strategy(target.category_type.as_str());
    core.category_codes.clone_from(&target.category_codes);
    target.table_type.as_str().clone_into(&mut core.table_type);
    core.keyspaces.clone_from(&target.keyspaces);
    core.db_name.clone_from(&target.db_name);
    core.retention = target.expiry;
    core.base = target.base_backup_uuid.as_deref().map(Into::into);
    core.on_missing_base = target.on_missing_base;
    core.on_unknown = target.on_unknown;
    core.repeat = target.repeat;
    core.on_surplus = target.on_surplus;
    core.deadline = target.deadline;
    core.completion = target.completion;
    let text = |url: &Option<YbaAddress>| url.as_ref().map(|url| url.expose().to_string());
    core.legacy_urls = LegacyUrls {
        full_backup: text(&target.full_backup_url),
        incremental_backup: text(&target.incremental_backup_url),
        last_backup: text(&target.last_backup_url),
    };
    core
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_the_service_deletes_old_records() {
        let file = "orchestrator.keep-finished: 400d";
        let settings = Settings::from_text("application.yml", file, &crate::Sources::default());
        let settings = settings.expect("no faults");
        let keep = |role| orchestrator_settings(&settings, role).keep_finished;
        assert_eq!(keep(Role::Service), Some(Duration::from_hours(400 * 24)));
        assert_eq!(keep(Role::CommandLine), None);
    }

    #[test]
    fn each_client_has_as_many_steps_under_way_as_calls() {
        let file = "yba:\n  max-concurrent-calls: 4\n  instances:\n    wide: {base-url: 'https://wide', customer-uuid: c, api-token: t, \
                    max-concurrent-calls: 100}\n    narrow: {base-url: 'https://narrow', customer-uuid: c, api-token: t, \
                    max-concurrent-calls: 2}\n    plain: {base-url: 'https://plain', customer-uuid: c, api-token: t}\n  databases:\n    \
                    a: {instance: wide, universe-uuid: u, storage-config-uuid: s}\n    b: {instance: narrow, universe-uuid: u, \
                    storage-config-uuid: s}\n    c: {instance: wide, api-token: own, universe-uuid: u, storage-config-uuid: s}\n    \
                    d: {instance: plain, universe-uuid: u, storage-config-uuid: s}\n";
        let settings = Settings::from_text("application.yml", file, &crate::Sources::default());
        let core = orchestrator_settings(&settings.expect("no faults"), Role::Service);
        let limits = [("wide", 100), ("narrow", 2), ("wide, token of c", 100), ("plain", 4)];
        assert_eq!(core.concurrency_of, limits.map(|(name, limit)| (name.into(), limit)).into());
        assert_eq!(core.concurrency_per_instance, 4);
    }
}
