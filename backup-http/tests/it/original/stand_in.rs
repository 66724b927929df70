//! Something in YBA's place that has the original's three URLs and nothing else.

use serde_json::json;
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{body_partial_json, header, method, path, query_param},
};

use super::places::Places;

/// Serves `db1` by its full backups, and `db2` by its last backup and its increments.
pub(super) async fn start(places: &mut Places) -> MockServer {
    let server = MockServer::start().await;
    for name in ["db1", "db2", "uam"] {
        places.installation(name, &server.uri());
    }
    let accepted = ResponseTemplate::new(200).set_body_json(json!({
        "taskUUID": "task-of-the-stand-in",
        "backupUUID": "backup-of-the-stand-in",
        "status": "Running",
        "createTime": "2025-03-25T10:30:00Z",
    }));
    let order = |name: &str| {
        json!({
            "universeUUID": places.get(name, "universe"),
            "storageConfigUUID": places.get(name, "storage"),
            "backupType": "PGSQL_TABLE_TYPE",
            "timeBeforeDelete": 86_400_000,
        })
    };
    let token = |name: &str| header("X-AUTH-YW-API-TOKEN", places.get(name, "token"));
    Mock::given(method("POST"))
        .and(path("/api/v1/customers/customer-db1/backups"))
        .and(token("db1"))
        .and(header("Content-Type", "application/json"))
        .and(body_partial_json(order("db1")))
        .respond_with(accepted.clone())
        .expect(1)
        .mount(&server)
        .await;
    let last = json!([{
        "backupUUID": "backup-before", "createTime": "2025-03-24T10:30:00Z", "state": "Completed",
    }]);
    Mock::given(method("GET"))
        .and(path("/api/v1/customers/customer-db2/backups"))
        .and(query_param("limit", "1"))
        .and(query_param("direction", "DESC"))
        .and(token("db2"))
        .respond_with(ResponseTemplate::new(200).set_body_json(last))
        .expect(1..)
        .mount(&server)
        .await;
    let mut increment = order("db2");
    increment["baseBackupUUID"] = json!("backup-before");
    Mock::given(method("POST"))
        .and(path("/api/v1/customers/customer-db2/backups/incremental"))
        .and(token("db2"))
        .and(body_partial_json(increment))
        .respond_with(accepted)
        .expect(1)
        .mount(&server)
        .await;
    server
}
