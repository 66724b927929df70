//! A mock server with a client, and how to answer with it.

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers::any};
use yba_client::{Proxy, RetryPolicy, SecretString, YbaClient, YbaClientBuilder};

pub(crate) const TOKEN: &str = "token-3f1c9d";

pub(crate) fn builder(server: &MockServer) -> YbaClientBuilder {
    YbaClient::builder(server.uri())
        .customer("customer-1")
        .token(SecretString::from(TOKEN))
        .proxy(Proxy::None)
        .retry(RetryPolicy { base_delay: std::time::Duration::from_millis(1), ..RetryPolicy::default() })
}

pub(crate) fn client(server: &MockServer) -> YbaClient {
    builder(server).build().expect("the settings are right")
}

/// A server that gives one answer to everything.
pub(crate) async fn answering(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    server
}

pub(crate) async fn answering_json(body: Value) -> MockServer {
    answering(ResponseTemplate::new(200).set_body_json(body)).await
}

/// YBA's usual refusal.
pub(crate) fn refusal(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "success": false,
        "error": text,
        "httpMethod": "POST",
        "requestUri": "/api/v1/customers/customer-1/backups",
    }))
}

pub(crate) fn plain(status: u16, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_string(text)
}

/// What one call sent, as `METHOD path?query`, its body, and its headers.
pub(crate) struct Sent {
    pub(crate) line: String,
    pub(crate) body: Value,
    pub(crate) headers: wiremock::http::HeaderMap,
}

impl Sent {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// Everything the server received.
pub(crate) async fn sent(server: &MockServer) -> Vec<Sent> {
    let requests = server.received_requests().await.unwrap_or_default();
    requests
        .into_iter()
        .map(|request| {
            let query = request.url.query().map(|query| format!("?{query}")).unwrap_or_default();
            Sent {
                line: format!("{} {}{query}", request.method, request.url.path()),
                body: serde_json::from_slice(&request.body).unwrap_or(Value::Null),
                headers: request.headers,
            }
        })
        .collect()
}
