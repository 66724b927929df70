//! What a run prints, at the finest level: everything one needs, and no secret.

use std::{
    cell::RefCell,
    io::Write,
    sync::{Arc, Mutex, Once, PoisonError},
};

use serde_json::json;
use tracing_subscriber::{filter::dynamic_filter_fn, fmt::format::FmtSpan, prelude::*};
use yba_client::{CreateBackup, RequestId, TableType};

use crate::{
    calls,
    support::{TOKEN, answering, answering_json, builder, plain},
};

#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

thread_local! {
    /// Where this thread prints, if it does.
    static PAPER: RefCell<Option<Paper>> = const { RefCell::new(None) };
}

/// Stops printing when dropped.
struct Printing;

impl Drop for Printing {
    fn drop(&mut self) {
        PAPER.take();
    }
}

/// Prints everything that this thread traces until the guard is dropped.
///
/// One subscriber serves the process, because several that come and go confuse each other's caches.
fn printing() -> (Paper, Printing) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ours = dynamic_filter_fn(|_, _| PAPER.with_borrow(Option::is_some));
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .with_span_events(FmtSpan::CLOSE)
            .with_writer(|| PAPER.with_borrow(|paper| paper.clone().unwrap_or_default()))
            .with_filter(ours);
        tracing_subscriber::registry().with(layer).init();
    });
    let paper = Paper::default();
    PAPER.replace(Some(paper.clone()));
    (paper, Printing)
}

#[tokio::test]
async fn every_call_is_one_span_with_its_facts() {
    let server = answering(plain(409, "Queue is already full with max capacity 2")).await;
    let client = builder(&server).build().unwrap();
    let (paper, guard) = printing();
    let order = CreateBackup::full("u-1", "s-1", TableType::Ysql);
    client.backups().create(&order, &RequestId::from("attempt-1")).await.unwrap_err();
    drop(guard);
    let text = paper.text();
    let close =
        text.lines().filter(|line| line.contains(r#""message":"close""#) && line.contains("yba.call"));
    let lines: Vec<&str> = close.collect();
    assert_eq!(lines.len(), 1, "{text}");
    let span: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    let span = &span["span"];
    assert_eq!(span["operation"], "backups.create");
    assert_eq!(span["otel.name"], "yba.backups.create");
    assert_eq!(span["method"], "POST");
    assert_eq!(span["path"], "/api/v1/customers/{customer}/backups");
    assert_eq!((&span["status"], &span["attempts"]), (&json!(409), &json!(1)));
    assert_eq!(span["x_request_id"], "attempt-1");
    assert!(span["elapsed_ms"].is_u64());
}

#[tokio::test]
async fn no_call_prints_the_token_or_a_body() {
    let server = answering_json(json!({"apiToken": "fresh-token-5d2", "marker": "body-marker-77"})).await;
    let client = builder(&server).build().unwrap();
    let (paper, guard) = printing();
    calls::make_all(&client, yba_client::parse_date("2025-03-25T10:15:30Z").unwrap()).await;
    drop(guard);
    let text = paper.text();
    assert!(text.contains("schedules.delete_now"), "the calls were traced");
    for secret in [TOKEN, "fresh-token-5d2", "body-marker-77", "me@example.com"] {
        assert!(!text.contains(secret), "{secret} was printed");
    }
}
