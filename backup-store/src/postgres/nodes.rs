//! Several nodes: which of them may get connections.
//!
//! Who is alive is found by a connection of our own to each of them, under a short timeout of its own, every few seconds
//! and after any failure: a node that swallows packets would otherwise cost whoever needs a connection all its patience. A node
//! that is read only, as a standby is, counts as one that does not answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, Row, postgres::PgConnectOptions};
use tokio::sync::Notify;

use crate::address::{Balance, Host, Nodes as Wanted, Server, Zone};

/// How often every node is tried.
const PROBE: Duration = Duration::from_secs(15);
/// How long a node may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// After a failure everything is tried at once, but not more often than this.
const BREATH: Duration = Duration::from_secs(1);

/// The nodes that connections are spread over, or chosen from.
pub(super) struct Nodes {
    /// Without a search path: `yb_servers()` is not in our schema.
    connect: PgConnectOptions,
    search_path: String,
    seeds: Vec<Host>,
    balance: Balance,
    timeout: Duration,
    state: Mutex<State>,
    wake: Arc<Notify>,
}

#[derive(Default)]
struct State {
    live: Vec<Host>,
    known: Vec<Node>,
    read_at: Option<Instant>,
}

/// A row of `yb_servers()`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    /// The addresses to try: inside the cluster's network, and from outside.
    hosts: Vec<Host>,
    is_primary: bool,
    cloud: String,
    region: String,
    zone: String,
}

impl Nodes {
    /// `None` for a single address that is to be used as it is.
    pub(super) fn new(server: &Server, connect: &PgConnectOptions, search_path: &str) -> Option<Arc<Self>> {
        if server.hosts.len() < 2 && server.balance.nodes == Wanted::Off {
            return None;
        }
        let nodes = Arc::new(Self {
            connect: connect.clone(),
            search_path: search_path.to_owned(),
            seeds: server.hosts.clone(),
            balance: server.balance.clone(),
            timeout: server.connect_timeout.unwrap_or(PROBE_TIMEOUT).min(PROBE_TIMEOUT),
            state: Mutex::default(),
            wake: Arc::default(),
        });
        tokio::spawn(watch(Arc::downgrade(&nodes), Arc::clone(&nodes.wake)));
        Some(nodes)
    }

    /// Those that may get connections now. Without balancing: the first address that answers.
    pub(super) fn live(&self) -> Vec<Host> {
        let most = if self.balance.nodes == Wanted::Off { 1 } else { usize::MAX };
        self.lock().live.iter().take(most).cloned().collect()
    }

    /// How to connect to one of them.
    pub(super) fn options(&self, host: &Host) -> PgConnectOptions {
        self.to(host).options([("search_path", &self.search_path)])
    }

    /// A connection failed: find out who is alive, soon.
    pub(super) fn suspect(&self) {
        self.wake.notify_one();
    }

    /// Finds out who is alive; among those, who is wanted most.
    pub(super) async fn refresh(&self) {
        if self.is_list_old() {
            self.read_list().await;
        }
        let mut live = Vec::new();
        for tier in self.tiers() {
            let probes: Vec<_> = tier.into_iter().map(|node| tokio::spawn(self.probe(node))).collect();
            for probe in probes {
                live.extend(probe.await.ok().flatten());
            }
            if !live.is_empty() {
                break;
            }
        }
        let mut state = self.lock();
        if state.live != live {
            let names: Vec<&str> = live.iter().map(|host| host.name.as_str()).collect();
            tracing::info!(nodes = names.join(", "), "the database's nodes that get connections");
        }
        state.live = live;
    }

    fn is_list_old(&self) -> bool {
        let state = self.lock();
        let is_old = state.read_at.is_none_or(|read_at| read_at.elapsed() >= self.balance.refresh);
        self.balance.nodes != Wanted::Off && (is_old || state.live.is_empty())
    }

    /// Reads the list from the first node that answers.
    async fn read_list(&self) {
        let live = self.lock().live.clone();
        for host in live.iter().chain(&self.seeds) {
            match tokio::time::timeout(self.timeout, servers(self.to(host))).await {
                Ok(Ok(known)) => {
                    let mut state = self.lock();
                    state.known = known;
                    state.read_at = Some(Instant::now());
                    return;
                }
                // A plain PostgreSQL has no such function: there is nothing to spread over but what we were given.
                Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("42883") => {
                    tracing::debug!(
                        node = host.name,
                        "no YugabyteDB: connections go to the addresses as given"
                    );
                    self.lock().read_at = Some(Instant::now());
                    return;
                }
                Ok(Err(error)) => {
                    tracing::debug!(node = host.name, error = %error, "the node gave no list of nodes");
                }
                Err(_) => tracing::debug!(node = host.name, "the node did not answer in time"),
            }
        }
    }

    fn tiers(&self) -> Vec<Vec<Vec<Host>>> {
        let known = self.lock().known.clone();
        if known.is_empty() {
            return vec![self.seeds.iter().map(|seed| vec![seed.clone()]).collect()];
        }
        let hosts = |tier: Vec<&Node>| tier.into_iter().map(|node| node.hosts.clone()).collect();
        tiers(&known, &self.balance).into_iter().map(hosts).collect()
    }

    /// The first address of a node that takes a connection.
    fn probe(&self, addresses: Vec<Host>) -> impl Future<Output = Option<Host>> + Send + 'static {
        let timeout = self.timeout;
        let addresses: Vec<_> = addresses.into_iter().map(|host| (self.to(&host), host)).collect();
        async move {
            for (options, host) in addresses {
                match tokio::time::timeout(timeout, takes_writes(&options)).await {
                    Ok(Ok(true)) => return Some(host),
                    Ok(Ok(false)) => tracing::debug!(node = host.name, "the node is read only"),
                    Ok(Err(error)) => {
                        tracing::debug!(node = host.name, error = %error, "the node cannot be used");
                    }
                    Err(_) => tracing::debug!(node = host.name, "the node did not answer in time"),
                }
            }
            None
        }
    }

    fn to(&self, host: &Host) -> PgConnectOptions {
        self.connect.clone().host(&host.name).port(host.port)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(nodes: Weak<Nodes>, wake: Arc<Notify>) {
    loop {
        // Woken or not, it is time to look.
        let _ = tokio::time::timeout(PROBE, wake.notified()).await;
        let Some(nodes) = nodes.upgrade() else { return };
        nodes.refresh().await;
        drop(nodes);
        tokio::time::sleep(BREATH).await;
    }
}

/// Whether a node answers and takes writes: a standby does not.
async fn takes_writes(options: &PgConnectOptions) -> Result<bool, sqlx::Error> {
    let mut connection = PgConnection::connect_with(options).await?;
    let row = sqlx::query("SELECT current_setting('transaction_read_only') = 'off' AS is_writable")
        .persistent(false)
        .fetch_one(&mut connection)
        .await?;
    let is_writable = row.try_get("is_writable")?;
    // It has answered; how it ends does not matter.
    let _ = connection.close().await;
    Ok(is_writable)
}

async fn servers(options: PgConnectOptions) -> Result<Vec<Node>, sqlx::Error> {
    let mut connection = PgConnection::connect_with(&options).await?;
    let rows = sqlx::query(
        "
        SELECT
            host::text AS host,
            port::integer AS port,
            node_type::text AS node_type,
            cloud::text AS cloud,
            region::text AS region,
            zone::text AS zone,
            public_ip::text AS public_ip
        FROM yb_servers()
        ORDER BY host, port
        ",
    )
    .persistent(false)
    .fetch_all(&mut connection)
    .await?;
    let _ = connection.close().await;
    rows.iter()
        .map(|row| {
            let port = u16::try_from(row.try_get::<i32, _>("port")?).unwrap_or_default();
            let names = [row.try_get("host")?, row.try_get::<Option<String>, _>("public_ip")?];
            let mut hosts: Vec<Host> = names
                .into_iter()
                .flatten()
                .filter(|name: &String| !name.is_empty())
                .map(|name| Host { name, port })
                .collect();
            hosts.dedup();
            Ok(Node {
                hosts,
                is_primary: row.try_get::<String, _>("node_type")? == "primary",
                cloud: row.try_get("cloud")?,
                region: row.try_get("region")?,
                zone: row.try_get("zone")?,
            })
        })
        .collect()
}

/// The nodes in the order of preference: of a later group only when nobody of those before is alive.
fn tiers<'a>(nodes: &'a [Node], balance: &Balance) -> Vec<Vec<&'a Node>> {
    let of_kind = |is_primary: bool| nodes.iter().filter(move |node| node.is_primary == is_primary).collect();
    let kinds: Vec<Vec<&Node>> = match balance.nodes {
        Wanted::Off | Wanted::Any => vec![nodes.iter().collect()],
        Wanted::OnlyPrimary => vec![of_kind(true)],
        Wanted::OnlyReplicas => vec![of_kind(false)],
        Wanted::PreferPrimary => vec![of_kind(true), of_kind(false)],
        Wanted::PreferReplicas => vec![of_kind(false), of_kind(true)],
    };
    let by_zone = kinds.into_iter().flat_map(|kind| by_zone(kind, balance));
    by_zone.filter(|tier| !tier.is_empty()).collect()
}

fn by_zone<'a>(mut nodes: Vec<&'a Node>, balance: &Balance) -> Vec<Vec<&'a Node>> {
    let mut tiers = Vec::new();
    for preference in 1..=10 {
        let here = |node: &&Node| {
            balance.zones.iter().any(|zone| zone.preference == preference && is_in(node, zone))
        };
        let (wanted, rest): (Vec<_>, Vec<_>) = nodes.into_iter().partition(here);
        tiers.push(wanted);
        nodes = rest;
    }
    if balance.zones.is_empty() || !balance.only_these_zones {
        tiers.push(nodes);
    }
    tiers
}

fn is_in(node: &Node, zone: &Zone) -> bool {
    node.cloud == zone.cloud
        && node.region == zone.region
        && zone.name.as_ref().is_none_or(|name| *name == node.zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, is_primary: bool, zone: &str) -> Node {
        let hosts = vec![Host { name: name.to_owned(), port: 5433 }];
        Node { hosts, is_primary, cloud: "aws".to_owned(), region: "eu".to_owned(), zone: zone.to_owned() }
    }

    fn names(parameters: &str) -> Vec<String> {
        let url = format!("jdbc:yugabytedb://h/app?{parameters}");
        let Ok(crate::address::Address::Postgres(server)) = crate::address::Address::parse(&url) else {
            panic!("{url}");
        };
        let nodes = [node("a", true, "1"), node("b", true, "2"), node("r", false, "1")];
        let name = |node: &&Node| node.hosts[0].name.clone();
        tiers(&nodes, &server.balance).iter().map(|tier| tier.iter().map(name).collect()).collect()
    }

    #[test]
    fn nodes_are_chosen_by_kind_and_then_by_zone() {
        assert_eq!(names("load-balance=true"), ["abr"]);
        assert_eq!(names("load-balance=only-primary"), ["ab"]);
        assert_eq!(names("load-balance=only-rr"), ["r"]);
        assert_eq!(names("load-balance=prefer-primary"), ["ab", "r"]);
        assert_eq!(names("load-balance=any&topology-keys=aws.eu.2:1,aws.eu.1:2"), ["b", "ar"]);
        assert_eq!(names("load-balance=any&topology-keys=aws.eu.2"), ["b", "ar"]);
        assert_eq!(names("load-balance=any&topology-keys=aws.eu.*"), ["abr"]);
        assert_eq!(
            names("load-balance=any&topology-keys=aws.eu.2&fallback-to-topology-keys-only=true"),
            ["b"]
        );
        assert_eq!(names("load-balance=prefer-rr&topology-keys=aws.eu.2"), ["r", "b", "a"]);
    }
}
