//! Two addresses of one YBA, of which one leads.

use std::time::Duration;

use yba_client::{
    CircuitBreaker, CreateBackup, ErrorKind, Leadership, Proxy, Reach, RetryPolicy, TaskState, YbaClient,
    YbaClientBuilder,
    simulator::{Endpoint, Simulator},
};

use super::{MINUTE, full, start, still};

/// A client that knows both, the first of them first.
fn knowing(first: &Simulator, second: &Simulator) -> YbaClient {
    builder(first, second).build().expect("the settings are right")
}

fn builder(first: &Simulator, second: &Simulator) -> YbaClientBuilder {
    YbaClient::builder(first.url())
        .address(second.url())
        .customer(first.customer())
        .token(first.token())
        .proxy(Proxy::None)
        .retry(RetryPolicy::never())
}

#[tokio::test]
async fn a_write_refused_by_the_standby_goes_to_the_leader_once() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let client = knowing(&standby, &leader);
    start(&client, &full(&leader)).await.unwrap();
    assert_eq!(standby.count(Endpoint::CreateBackup), 1);
    assert_eq!(leader.count(Endpoint::CreateBackup), 1);
    assert_eq!(leader.backups_started(&leader.universe()), 1);
    assert!(standby.tasks().is_empty());

    client.tasks().list(None).await.unwrap();
    assert_eq!(standby.count(Endpoint::ListTasks), 0, "later calls go to the leader at once");
}

#[tokio::test]
async fn a_dead_address_is_left_for_the_living_one() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let client = knowing(&leader, &standby);
    leader.go_down().await;
    standby.become_leader();
    start(&client, &full(&leader)).await.unwrap();
    assert_eq!(standby.backups_started(&leader.universe()), 1);
}

/// Nobody answers, the circuit opens, and the standby is promoted: the one call that is let through finds it, although the address
/// that it tries first stays dead.
#[tokio::test]
async fn an_open_circuit_does_not_hide_a_new_leader() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let breaker = CircuitBreaker { failures: 2, pause: Duration::from_secs(30) };
    let client = builder(&leader, &standby).circuit_breaker(breaker).build().unwrap();
    leader.go_down().await;
    standby.go_down().await;
    for _ in 0..3 {
        client.tasks().list(None).await.unwrap_err();
    }
    assert!(client.is_held_back());
    standby.come_up().await;
    standby.become_leader();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(31)).await;
    tokio::time::resume();
    client.tasks().list(None).await.unwrap();
    start(&client, &full(&leader)).await.unwrap();
    assert_eq!(standby.backups_started(&leader.universe()), 1);
}

#[tokio::test]
async fn a_standbys_not_found_is_asked_of_the_leader() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let accepted = start(&leader.client(), &full(&leader)).await.unwrap();
    let client = knowing(&standby, &leader);
    let task = client.tasks().get(&accepted.task).await.unwrap();
    assert_eq!(task.status, TaskState::Running);
    assert_eq!(standby.count(Endpoint::GetTask), 1);
}

#[tokio::test]
async fn a_standbys_not_found_is_not_believed_when_no_leader_answers() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let accepted = start(&leader.client(), &full(&leader)).await.unwrap();
    leader.go_down().await;
    for client in [knowing(&standby, &leader), standby.client()] {
        let error = client.tasks().get(&accepted.task).await.unwrap_err();
        assert_eq!(error.status(), Some(400));
        assert!(error.is_standby() && !error.is_not_found(), "{error}");
    }
}

#[tokio::test]
async fn a_not_found_of_the_leader_stands() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let client = knowing(&leader, &standby);
    assert!(client.tasks().get(&"unknown".into()).await.unwrap_err().is_not_found());
    assert_eq!(standby.total_count(), 0);
}

#[tokio::test]
async fn with_no_leader_anywhere_the_refusal_is_told_and_nothing_was_done() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    leader.become_standby();
    let client = knowing(&leader, &standby);
    let error = start(&client, &full(&leader)).await.unwrap_err();
    assert!(error.is_standby());
    assert_eq!(error.reach(), Reach::NotSent);
    assert_eq!(client.find_leader().await, None);
}

#[tokio::test]
async fn the_leader_can_be_asked_for() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    let client = knowing(&standby, &leader);
    assert_eq!(client.ha_leader().await.unwrap(), Leadership::Follower);
    let found = client.find_leader().await.unwrap();
    assert_eq!(found.as_str().trim_end_matches('/'), leader.url());
    assert_eq!(client.ha_leader().await.unwrap(), Leadership::Leader);
}

#[tokio::test]
async fn a_call_that_may_have_arrived_goes_nowhere_else() {
    let leader = still().await;
    let standby = leader.start_standby().await;
    leader.script(Endpoint::CreateBackup, yba_client::simulator::Fault::DropAfterAcceptance);
    let error = start(&knowing(&leader, &standby), &full(&leader)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(standby.total_count(), 0);
}

#[tokio::test]
async fn a_promoted_standby_resumes_what_it_knew_and_has_lost_the_rest() {
    let leader = still().await;
    let client = leader.client();
    let known = start(&client, &full(&leader)).await.unwrap();
    leader.advance(MINUTE / 2);
    let standby = leader.start_standby().await;
    let other = leader.add_universe("other");
    let lost = CreateBackup::full(other, leader.storage_config(), yba_client::TableType::Ysql);
    let lost = start(&client, &lost).await.unwrap();

    standby.become_leader();
    standby.advance(MINUTE * 2);
    let promoted = standby.client();
    assert_eq!(promoted.tasks().get(&known.task).await.unwrap().status, TaskState::Success);
    assert!(promoted.tasks().get(&lost.task).await.unwrap_err().is_not_found());
}
