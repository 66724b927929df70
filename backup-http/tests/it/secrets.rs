//! No token reaches a log, an answer or a metric: a search over everything that a full story prints.

use axum::{body::Body, http::Method};
use backup_http::Auth;
use serde_json::json;
use std::time::Duration;
use yba_client::simulator::{Endpoint, Fault, Simulator};

use crate::support::{ask, logs, request, simulated};

const YBA_TOKEN: &str = "yba-token-9f86d081884c7d65";
const OUR_TOKEN: &str = "our-token-2c26b46b68ffc68f";
const WRONG_TOKEN: &str = "wrong-token-fcde2b2edba56bf4";
const IN_A_BODY: &str = "password-in-a-body-7d865e959b24";
const IN_A_QUERY: &str = "token-in-a-query-1b4f0e9851971998";

#[tokio::test]
async fn nothing_secret_is_ever_printed() {
    let yba = Simulator::builder().token(YBA_TOKEN).task_duration(Duration::from_millis(20)).start().await;
    let app = simulated(&yba).config(|config| config.auth = Auth::Tokens(vec![OUR_TOKEN.into()])).start();
    let mut answers = Vec::new();
    let mut call = async |method: Method, path: &str, token: &str, body: String| {
        let mut request = request(method, path, Body::from(body));
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        let reply = app.send(request).await;
        answers.push(format!("{reply:?}"));
        reply
    };
    let post = Method::POST;
    let full = call(post.clone(), "/backupProcess", OUR_TOKEN, ask("db1").to_string()).await;
    assert_eq!(full.gist(), "200 COMPLETED -");
    call(post.clone(), "/backupProcess", OUR_TOKEN, ask("db2").to_string()).await;
    call(post.clone(), "/backupProcess", WRONG_TOKEN, ask("db1").to_string()).await;
    // Refused, malformed, and full of what is none of anybody's business.
    let chatty = json!({"batchCategoryCode": "db1", "password": IN_A_BODY}).to_string();
    call(post.clone(), "/backupProcess", OUR_TOKEN, chatty.clone()).await;
    call(post.clone(), "/backupProcess", OUR_TOKEN, chatty[..chatty.len() - 1].to_owned()).await;
    // YBA fails in every way that may tempt somebody to print a request.
    for fault in
        [Fault::status(400, "no"), Fault::plain(401, "no"), Fault::Html, Fault::Unreadable200, Fault::Reset]
    {
        yba.script(Endpoint::CreateBackup, fault);
        call(post.clone(), "/backupProcess", OUR_TOKEN, ask("db1").to_string()).await;
    }
    for path in
        ["/batches", "/actuator/info", "/actuator/metrics", "/actuator/prometheus", "/actuator/health"]
    {
        call(Method::GET, path, OUR_TOKEN, String::new()).await;
    }
    call(Method::GET, &format!("/nothing?token={IN_A_QUERY}"), OUR_TOKEN, String::new()).await;
    answers.push(format!("{:?} {:?}", app.state, app.orchestrator));

    let printed = logs();
    assert!(printed.contains(&full.batch()), "the story was logged");
    for secret in [YBA_TOKEN, OUR_TOKEN, WRONG_TOKEN, IN_A_BODY, IN_A_QUERY] {
        let line =
            printed.lines().chain(answers.iter().map(String::as_str)).find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was printed");
    }
}
