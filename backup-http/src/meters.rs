//! The meters: what is counted and timed, under which name, and where it is collected.
//!
//! Everything is counted through the `metrics` facade, under names by Prometheus's conventions. The original's
//! names are the ones that `/actuator/metrics` shows; [`METERS`] is where the two meet.

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds in which backups end: from a table to a data centre.
const BACKUP_SECONDS: &[f64] =
    &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 43_200.0, 86_400.0];
/// Seconds in which a call is answered; those of `/backupProcess` may wait for an hour.
const CALL_SECONDS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0];

pub(crate) const IN_FLIGHT: &str = "backup_in_flight";
pub(crate) const HTTP_REQUESTS: &str = "http_server_requests_seconds";
const HTTP_REFUSED: &str = "http_server_refused_total";

/// Counts a request that was refused before anybody looked at what it asks for.
pub(crate) fn count_refused(reason: &'static str) {
    metrics::counter!(HTTP_REFUSED, "reason" => reason).increment(1);
}

/// What kind of number a meter is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// A histogram of seconds, with these bounds.
    Timer(&'static [f64]),
}

/// One meter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meter {
    /// The name at `/actuator/metrics`.
    pub(crate) actuator: &'static str,
    /// The name at `/actuator/prometheus`, and in the code that counts.
    pub(crate) prometheus: &'static str,
    pub(crate) kind: Kind,
    pub(crate) description: &'static str,
}

/// Every meter that this product knows, by the original's names where it had one.
pub(crate) const METERS: &[Meter] = &[
    Meter {
        actuator: "backup.duration",
        prometheus: "backup_duration_seconds",
        kind: Kind::Timer(BACKUP_SECONDS),
        description: "Time from the start of a batch's run to its end",
    },
    Meter {
        actuator: "backup.failure.count",
        prometheus: "backup_failure_total",
        kind: Kind::Counter,
        description: "Batches that ended without a backup that counts",
    },
    Meter {
        actuator: "backup.in.flight",
        prometheus: IN_FLIGHT,
        kind: Kind::Gauge,
        description: "Batches that this process follows",
    },
    Meter {
        actuator: "backup.initiated.count",
        prometheus: "backup_initiated_total",
        kind: Kind::Counter,
        description: "Batches whose intent was recorded",
    },
    Meter {
        actuator: "backup.refused.unrecorded",
        prometheus: "backup_refused_unrecorded_total",
        kind: Kind::Counter,
        description: "Refused requests that were too many to be recorded",
    },
    Meter {
        actuator: "backup.success.count",
        prometheus: "backup_success_total",
        kind: Kind::Counter,
        description: "Batches whose backup is completed",
    },
    Meter {
        actuator: "backup.surplus.count",
        prometheus: "backup_surplus_total",
        kind: Kind::Counter,
        description: "Tasks of ours that no batch counts, by what became known of them",
    },
    Meter {
        actuator: "database.retry.count",
        prometheus: "database_retry_total",
        kind: Kind::Counter,
        description: "Transactions that were sent to the database again",
    },
    Meter {
        actuator: "http.server.refused",
        prometheus: HTTP_REFUSED,
        kind: Kind::Counter,
        description: "Requests that were refused for their token, host or origin",
    },
    Meter {
        actuator: "http.server.requests",
        prometheus: HTTP_REQUESTS,
        kind: Kind::Timer(CALL_SECONDS),
        description: "Time in which requests to this service were answered",
    },
    Meter {
        actuator: "yba.api.request.duration",
        prometheus: "yba_api_request_duration_seconds",
        kind: Kind::Timer(CALL_SECONDS),
        description: "Time in which YBA answered",
    },
    Meter {
        actuator: "yba.instance.unauthorized",
        prometheus: "yba_instance_unauthorized",
        kind: Kind::Gauge,
        description: "1 while a YBA refuses the token, 0 otherwise",
    },
];

/// Where the meters are collected. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Meters {
    handle: PrometheusHandle,
}

impl Meters {
    /// Collects everything that this process counts from now on.
    ///
    /// # Errors
    ///
    /// When somebody collects it already: it can be done once in a process.
    pub fn install() -> Result<Self, BuildError> {
        let recorder = builder()?.build_recorder();
        let meters = Self { handle: recorder.handle() };
        metrics::set_global_recorder(recorder)?;
        describe();
        Ok(meters)
    }

    /// Everything in Prometheus's text format.
    pub(crate) fn render(&self, in_flight: usize) -> String {
        #[expect(clippy::cast_precision_loss, reason = "nobody follows 2^52 batches")]
        metrics::gauge!(IN_FLIGHT).set(in_flight as f64);
        self.handle.render()
    }

    /// Sorts what was timed since the last call. Without it, memory grows until somebody asks for the numbers.
    pub fn tidy(&self) {
        self.handle.run_upkeep();
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    METERS.iter().try_fold(PrometheusBuilder::new(), |builder, meter| match meter.kind {
        Kind::Timer(bounds) => {
            builder.set_buckets_for_metric(Matcher::Full(meter.prometheus.to_owned()), bounds)
        }
        _ => Ok(builder),
    })
}

fn describe() {
    for Meter { prometheus, kind, description, .. } in METERS.iter().copied() {
        match kind {
            Kind::Counter => metrics::describe_counter!(prometheus, description),
            Kind::Gauge => metrics::describe_gauge!(prometheus, description),
            Kind::Timer(_) => metrics::describe_histogram!(prometheus, Unit::Seconds, description),
        }
    }
}
