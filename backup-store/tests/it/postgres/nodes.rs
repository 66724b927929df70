//! Several nodes: connections are spread over them, and a dead one costs little.
//!
//! The nodes are proxies in front of one server, which has a function of the name of YugabyteDB's.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use backup_store::{StoreConfig, connect};
use pg_harness::{Database, Server};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

use super::back_up;

/// An address that leads to the server, until it dies.
struct Node {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    silence: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Node {
    async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let silence = Arc::new(Notify::new());
        let (count, silenced) = (Arc::clone(&connections), Arc::clone(&silence));
        let task = tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut open = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let (count, silenced) = (Arc::clone(&count), Arc::clone(&silenced));
                open.spawn(async move {
                    let mut server = TcpStream::connect(server).await.unwrap();
                    count.fetch_add(1, Ordering::Relaxed);
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        // The packets of this connection go nowhere from now on.
                        () = silenced.notified() => std::future::pending().await,
                    }
                    count.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Self { address, connections, silence, task }
    }

    fn open(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

struct Cluster {
    _server: Server,
    database: Database,
    nodes: Vec<Node>,
}

impl Cluster {
    async fn start(test: &str, size: usize) -> Option<Self> {
        let server = super::server_on_tcp(test)?;
        let database = server.database();
        let mut nodes = Vec::new();
        for _ in 0..size {
            nodes.push(Node::start(server.tcp_address().unwrap()).await);
        }
        Some(Self { _server: server, database, nodes })
    }

    /// As YugabyteDB lists its nodes.
    fn list(&self, last_is_replica: bool) {
        let last = self.nodes.len() - 1;
        let rows: Vec<String> = (0..self.nodes.len())
            .map(|n| {
                let kind = if last_is_replica && n == last { "read_replica" } else { "primary" };
                let port = self.nodes[n].address.port();
                format!("('127.0.0.1', {port}, 0, '{kind}', 'aws', 'eu', 'z{n}', '', 'id{n}')")
            })
            .collect();
        self.database.psql(&format!(
            "CREATE FUNCTION public.yb_servers() RETURNS TABLE (host text, port bigint, num_connections bigint,
                node_type text, cloud text, region text, zone text, public_ip text, uuid text)
             LANGUAGE sql AS $$ VALUES {} $$",
            rows.join(", ")
        ));
    }

    fn config(&self, hosts: &str, parameters: &str) -> StoreConfig {
        let (name, user) = (self.database.name(), self.database.user());
        let url = format!("jdbc:yugabytedb://{hosts}/{name}?user={user}&connectTimeout=1{parameters}");
        let mut config = StoreConfig::new(url);
        config.pool.max_connections = 9;
        config.pool.min_connections = 9;
        config.retry.connection_tries = 20;
        config.retry.first_delay = Duration::from_millis(20);
        config.retry.max_delay = Duration::from_millis(100);
        config
    }

    fn host(&self, node: usize) -> String {
        self.nodes[node].address.to_string()
    }
}

/// Backups by many at once, so that the pool has all of its connections.
async fn work(store: &Arc<dyn backup_core::TrackingStore>) {
    let mut tasks = JoinSet::new();
    for n in 0..18 {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            for _ in 0..5 {
                back_up(&*store, &format!("u{n}")).await;
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_spread_over_the_nodes_of_the_list() {
    let test = "postgres::nodes::connections_are_spread_over_the_nodes_of_the_list";
    let Some(cluster) = Cluster::start(test, 4).await else { return };
    cluster.list(true);
    let store = connect(&cluster.config(&cluster.host(0), "&load-balance=only-primary")).await.unwrap();
    work(&store).await;
    let open: Vec<usize> = cluster.nodes.iter().map(Node::open).collect();
    assert_eq!(open[3], 0, "a read replica: {open:?}");
    assert!(open[..3].iter().all(|open| (2..=4).contains(open)), "{open:?}");

    cluster.nodes[1].task.abort();
    work(&store).await;
    assert_eq!(cluster.nodes[3].open(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_balancing_the_first_address_that_answers_is_used() {
    let test = "postgres::nodes::without_balancing_the_first_address_that_answers_is_used";
    let Some(cluster) = Cluster::start(test, 3).await else { return };
    cluster.nodes[0].task.abort();
    let hosts = [0, 1, 2].map(|node| cluster.host(node)).join(",");
    let store = connect(&cluster.config(&hosts, "")).await.unwrap();
    work(&store).await;
    assert!(cluster.nodes[1].open() > 0);
    assert_eq!(cluster.nodes[2].open(), 0);
    cluster.nodes[1].task.abort();
    work(&store).await;
    assert!(cluster.nodes[2].open() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_postgresql_is_used_as_it_was_given() {
    let Some(cluster) =
        Cluster::start("postgres::nodes::a_plain_postgresql_is_used_as_it_was_given", 2).await
    else {
        return;
    };
    let hosts = [0, 1].map(|node| cluster.host(node)).join(",");
    let store = connect(&cluster.config(&hosts, "&load-balance=true")).await.unwrap();
    work(&store).await;
    assert!(cluster.nodes.iter().all(|node| node.open() > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_falls_silent_is_given_up() {
    let Some(cluster) =
        Cluster::start("postgres::nodes::a_connection_that_falls_silent_is_given_up", 1).await
    else {
        return;
    };
    let mut config = cluster.config(&cluster.host(0), "&socketTimeout=1");
    (config.pool.max_connections, config.pool.min_connections) = (2, 0);
    config.pool.acquire_timeout = Duration::from_millis(200);
    let store = connect(&config).await.unwrap();
    back_up(&*store, "u1").await;
    cluster.nodes[0].silence.notify_waiters();
    back_up(&*store, "u1").await;
    let page = store.list(&backup_core::store::BackupFilter::default()).await.unwrap();
    assert!(page.records.iter().all(backup_core::BackupRecord::is_done));
    assert_eq!(page.records.len(), 2);
}
