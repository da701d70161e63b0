//! Get, list, pages, selectors, tables.

use crate::harness::Server;
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_is_created_is_got_and_listed() {
    let server = Server::start().await;
    let made = server.config_map("one", json!({"a": "b"})).await;
    assert_eq!(made["metadata"]["namespace"], "default");
    assert!(made["metadata"]["uid"].as_str().unwrap().len() == 36);
    let got = server.get(&format!("{MAPS}/one")).await.expect(200);
    assert_eq!(got, made);
    let list = server.get(MAPS).await.expect(200);
    assert_eq!(list["kind"], "ConfigMapList");
    assert_eq!(list["apiVersion"], "v1");
    assert_eq!(list["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    assert_eq!(names(&list), ["one"]);
    let list = server.get("/api/v1/configmaps").await.expect(200);
    assert_eq!(names(&list), ["one"]);
    let list = server.get("/api/v1/namespaces/other/configmaps").await.expect(200);
    assert_eq!(names(&list), [""; 0]);
}

#[tokio::test]
async fn absent_things_are_named_in_the_status() {
    let server = Server::start().await;
    let status = server.get("/apis/apps/v1/namespaces/default/deployments/x").await.expect(404);
    assert_eq!(status["kind"], "Status");
    assert_eq!(status["reason"], "NotFound");
    assert_eq!(status["message"], "deployments.apps \"x\" not found");
    assert_eq!(status["details"], json!({"name": "x", "group": "apps", "kind": "deployments"}));
    for path in ["/api/v1/nothings", "/apis/none/v1/x", "/apis/none", "/x", "/api/v2/pods"] {
        let status = server.get(path).await.expect(404);
        assert_eq!(status["message"], "the server could not find the requested resource");
    }
    server.get("/api/v1/pods/x").await.expect(405);
    server.get("/api/v1/namespaces/default/pods/x/nothing").await.expect(404);
    server.get("/api/v1/namespaces/default/pods/%2e%2e").await.expect(400);
    server.get("/api/v1/namespaces/default/pods/a%2fb").await.expect(400);
    server.get("/api/v1/namespaces/default/pods/%zz").await.expect(400);
}

#[tokio::test]
async fn selectors_choose() {
    let server = Server::start().await;
    for (name, labels) in [("a", json!({"x": "1"})), ("b", json!({"x": "2"})), ("c", json!({}))] {
        server.config_map(name, labels).await;
    }
    for (query, expected) in [
        ("labelSelector=x%3D1", vec!["a"]),
        ("labelSelector=x+in+(1,2)", vec!["a", "b"]),
        ("labelSelector=!x", vec!["c"]),
        ("fieldSelector=metadata.name%3Db", vec!["b"]),
        ("fieldSelector=metadata.name!%3Db", vec!["a", "c"]),
        ("fieldSelector=metadata.namespace%3Dother", vec![]),
        ("fieldSelector=metadata.name%3Da&labelSelector=x%3D2", vec![]),
    ] {
        let list = server.get(&format!("{MAPS}?{query}")).await.expect(200);
        assert_eq!(names(&list), expected, "{query}");
        let list = server.get(&format!("/api/v1/configmaps?{query}")).await.expect(200);
        assert_eq!(names(&list), expected, "{query}, all namespaces");
    }
    server.get(&format!("{MAPS}?labelSelector=x+in")).await.expect(400);
    server.get(&format!("{MAPS}?fieldSelector=x")).await.expect(400);
}

#[tokio::test]
async fn pages_are_of_one_revision() {
    let server = Server::start().await;
    for number in 0..10 {
        server.config_map(&format!("m{number}"), json!({})).await;
    }
    let first = server.get(&format!("{MAPS}?limit=4")).await.expect(200);
    assert_eq!(names(&first), ["m0", "m1", "m2", "m3"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 6);
    server.delete(&format!("{MAPS}/m5"), Value::Null).await.expect(200);
    server.config_map("m55", json!({})).await;
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = server.get(&format!("{MAPS}?limit=4&continue={token}")).await.expect(200);
    assert_eq!(names(&second), ["m4", "m5", "m6", "m7"]);
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = server.get(&format!("{MAPS}?limit=4&continue={token}")).await.expect(200);
    assert_eq!(names(&third), ["m8", "m9"]);
    assert!(third["metadata"]["continue"].is_null());

    server.store.compact(server.store.revision()).await.unwrap();
    let status = server.get(&format!("{MAPS}?limit=4&continue={token}")).await.expect(410);
    assert_eq!(status["reason"], "Expired");
    let token = status["metadata"]["continue"].as_str().unwrap();
    let rest = server.get(&format!("{MAPS}?limit=40&continue={token}")).await.expect(200);
    assert_eq!(names(&rest), ["m8", "m9"]);
    server.get(&format!("{MAPS}?continue=nonsense")).await.expect(400);
}

#[tokio::test]
async fn a_page_is_filled_although_a_selector_skips() {
    let server = Server::start().await;
    for number in 0..20 {
        server.config_map(&format!("m{number:02}"), json!({"odd": (number % 2).to_string()})).await;
    }
    let path = format!("{MAPS}?limit=4&labelSelector=odd%3D1");
    let first = server.get(&path).await.expect(200);
    assert_eq!(names(&first), ["m01", "m03", "m05", "m07"]);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = server.get(&format!("{path}&continue={token}")).await.expect(200);
    assert_eq!(names(&second), ["m09", "m11", "m13", "m15"]);
}

#[tokio::test]
async fn revisions_are_checked() {
    let server = Server::start().await;
    let old = server.config_map("a", json!({})).await["metadata"]["resourceVersion"].clone();
    let old = old.as_str().unwrap();
    server.config_map("b", json!({})).await;
    let exact = format!("{MAPS}?resourceVersion={old}&resourceVersionMatch=Exact");
    let list = server.get(&exact).await.expect(200);
    assert_eq!(names(&list), ["a"]);
    let path = format!("{MAPS}?resourceVersion={old}&resourceVersionMatch=NotOlderThan");
    assert_eq!(names(&server.get(&path).await.expect(200)), ["a", "b"]);
    assert_eq!(names(&server.get(&format!("{MAPS}?resourceVersion=0")).await.expect(200)).len(), 2);
    for bad in ["-1", "abc", "1.5"] {
        server.get(&format!("{MAPS}?resourceVersion={bad}")).await.expect(400);
        server.get(&format!("{MAPS}/a?resourceVersion={bad}")).await.expect(400);
    }
    let status = server.get(&format!("{MAPS}?resourceVersion=9999")).await.expect(504);
    assert_eq!(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    server.store.compact(server.store.revision()).await.unwrap();
    server.get(&exact).await.expect(410);
    server.get(&format!("{MAPS}?resourceVersionMatch=Exact")).await.expect(400);
}

#[tokio::test]
async fn tables_are_for_people() {
    let server = Server::start().await;
    server.config_map("one", json!({})).await;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let ask =
        |path: String| Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    for path in [MAPS.to_owned(), format!("{MAPS}/one")] {
        let table = server.send(ask(path)).await.expect(200);
        assert_eq!(table["kind"], "Table");
        let columns = table["columnDefinitions"].as_array().unwrap();
        assert_eq!(columns[0]["name"], "Name");
        let row = &table["rows"][0];
        assert_eq!(row["cells"][0], "one");
        assert_eq!(row["cells"].as_array().unwrap().len(), columns.len());
        assert_eq!(row["object"]["kind"], "PartialObjectMetadata");
        assert_eq!(row["object"]["metadata"]["name"], "one");
        assert!(row["object"]["data"].is_null());
    }
    let table = server.send(ask(format!("{MAPS}?includeObject=Object"))).await.expect(200);
    assert_eq!(table["rows"][0]["object"]["data"]["a"], "1");
    server.send(ask(format!("{MAPS}?includeObject=x"))).await.expect(400);
}

#[tokio::test]
async fn metadata_alone_can_be_asked_for() {
    let server = Server::start().await;
    server.config_map("one", json!({})).await;
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let request = Request::get(MAPS).header("accept", accept).body(Body::empty()).unwrap();
    let list = server.send(request).await.expect(200);
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert!(list["items"][0]["data"].is_null());
    let accept = "application/vnd.kubernetes.protobuf,application/json";
    let request = Request::get(MAPS).header("accept", accept).body(Body::empty()).unwrap();
    assert_eq!(server.send(request).await.expect(200)["kind"], "ConfigMapList");
}
