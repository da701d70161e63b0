//! Watches: order, resumption, selectors, bookmarks, streaming lists.

use crate::harness::{Lines, Server};
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn pair(kind: &str, name: &str) -> (String, String) {
    (kind.into(), name.into())
}

#[tokio::test]
async fn events_come_in_order_and_can_be_resumed() {
    let server = Server::start().await;
    let begin = server.get(MAPS).await.expect(200);
    let begin = begin["metadata"]["resourceVersion"].as_str().unwrap();
    let mut lines = Lines::open(&server, &format!("{MAPS}?watch=1&resourceVersion={begin}")).await;
    let made = server.config_map("a", json!({})).await;
    server.patch(&format!("{MAPS}/a"), "merge", json!({"data": {"b": "2"}})).await.expect(200);
    server.delete(&format!("{MAPS}/a"), Value::Null).await.expect(200);
    let first = lines.next().await.unwrap();
    assert_eq!(first["type"], "ADDED");
    assert_eq!(first["object"], made);
    assert_eq!(lines.next_named().await, pair("MODIFIED", "a"));
    let last = lines.next().await.unwrap();
    assert_eq!(last["type"], "DELETED");
    assert_eq!(last["object"]["data"]["b"], "2");
    let revision = server.store.revision().to_string();
    assert_eq!(last["object"]["metadata"]["resourceVersion"], revision);

    let after = made["metadata"]["resourceVersion"].as_str().unwrap();
    let mut lines = Lines::open(&server, &format!("{MAPS}?watch=1&resourceVersion={after}")).await;
    assert_eq!(lines.next_named().await, pair("MODIFIED", "a"));
    assert_eq!(lines.next_named().await, pair("DELETED", "a"));
}

#[tokio::test]
async fn without_a_revision_the_state_comes_first() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let mut lines = Lines::open(&server, "/api/v1/configmaps?watch=true&timeoutSeconds=1").await;
    assert_eq!(lines.next_named().await, pair("ADDED", "a"));
    server.config_map("b", json!({})).await;
    assert_eq!(lines.next_named().await, pair("ADDED", "b"));
    assert_eq!(lines.next().await, None, "it ends after timeoutSeconds");
}

#[tokio::test]
async fn a_streaming_list_says_where_it_ends() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true";
    server.get(&format!("{MAPS}?{query}")).await.expect(422);
    let path =
        format!("{MAPS}?{query}&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name%3Da");
    let mut lines = Lines::open(&server, &path).await;
    assert_eq!(lines.next_named().await, pair("ADDED", "a"));
    let mark = lines.next().await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["kind"], "ConfigMap");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let revision = server.store.revision().to_string();
    assert_eq!(mark["object"]["metadata"]["resourceVersion"], revision);
    server.config_map("aa", json!({})).await;
    server.delete(&format!("{MAPS}/a"), Value::Null).await.expect(200);
    assert_eq!(lines.next_named().await, pair("DELETED", "a"), "aa is another name");
}

#[tokio::test]
async fn leaving_a_selection_is_a_deletion() {
    let server = Server::start().await;
    let path = format!("{MAPS}?watch=1&labelSelector=x%3D1");
    let mut lines = Lines::open(&server, &path).await;
    server.config_map("a", json!({"x": "0"})).await;
    let label = |value: &str| json!({"metadata": {"labels": {"x": value}}});
    for value in ["1", "2", "1"] {
        server.patch(&format!("{MAPS}/a"), "merge", label(value)).await.expect(200);
    }
    server.patch(&format!("{MAPS}/a"), "merge", json!({"data": {"z": "1"}})).await.expect(200);
    assert_eq!(lines.next_named().await, pair("ADDED", "a"));
    let left = lines.next().await.unwrap();
    assert_eq!(left["type"], "DELETED");
    assert_eq!(left["object"]["metadata"]["labels"]["x"], "1", "its last matching state");
    assert_eq!(lines.next_named().await, pair("ADDED", "a"));
    assert_eq!(lines.next_named().await, pair("MODIFIED", "a"));
}

#[tokio::test]
async fn a_compacted_revision_is_gone() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    server.config_map("b", json!({})).await;
    server.store.compact(server.store.revision()).await.unwrap();
    for revision in [1, 9999] {
        let path = format!("{MAPS}?watch=1&resourceVersion={revision}");
        let mut lines = Lines::open(&server, &path).await;
        let event = lines.next().await.unwrap();
        assert_eq!(event["type"], "ERROR");
        assert_eq!(event["object"]["code"], 410);
        assert_eq!(event["object"]["reason"], "Expired");
        assert_eq!(lines.next().await, None);
    }
    server.get(&format!("{MAPS}?watch=1&resourceVersion=abc")).await.expect(400);
}

#[tokio::test]
async fn tables_are_watched_too() {
    let server = Server::start().await;
    server.config_map("a", json!({})).await;
    let request = http::Request::get(format!("{MAPS}?watch=1&timeoutSeconds=1"))
        .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(axum::body::Body::empty());
    let text = server.send(request.unwrap()).await.expect(200);
    assert_eq!(text["type"], "ADDED");
    assert_eq!(text["object"]["kind"], "Table");
    assert_eq!(text["object"]["rows"][0]["cells"][0], "a");
}
