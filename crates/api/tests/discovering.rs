//! Discovery, schemas, reviews.

use crate::harness::Server;
use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

#[tokio::test]
async fn every_kind_is_discovered_both_ways() {
    let server = Server::start().await;
    let mut plain = Vec::new();
    let groups = server.get("/apis").await.expect(200);
    let names = groups["groups"].as_array().unwrap();
    let mut paths = vec![("".to_owned(), "/api/v1".to_owned())];
    for group in names {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        paths.push((group["name"].as_str().unwrap().into(), format!("/apis/{version}")));
        assert_eq!(
            server.get(&format!("/apis/{}", group["name"].as_str().unwrap())).await.code,
            200
        );
    }
    for (group, path) in paths {
        let list = server.get(&path).await.expect(200);
        assert_eq!(list["kind"], "APIResourceList");
        for resource in list["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            if !name.contains('/') {
                plain.push(format!("{group}/{name}"));
            }
        }
    }
    let mut aggregated = Vec::new();
    for path in ["/api", "/apis"] {
        let accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,\
                      application/json";
        let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
        let answer = server.send(request).await;
        let media_type = answer.headers["content-type"].to_str().unwrap().to_owned();
        assert!(media_type.contains("v=v2;as=APIGroupDiscoveryList"), "{media_type}");
        for group in answer.expect(200)["items"].as_array().unwrap() {
            let name = group["metadata"]["name"].as_str().unwrap_or("");
            for resource in group["versions"][0]["resources"].as_array().unwrap() {
                aggregated.push(format!("{name}/{}", resource["resource"].as_str().unwrap()));
            }
        }
    }
    plain.sort();
    aggregated.sort();
    assert_eq!(plain, aggregated);
    for expected in ["/pods", "/services", "apps/deployments", "batch/jobs"] {
        assert!(plain.iter().any(|name| name == expected), "{expected} is missing");
    }
}

#[tokio::test]
async fn schemas_are_served() {
    let server = Server::start().await;
    let index = server.get("/openapi/v3").await.expect(200);
    for (_, entry) in index["paths"].as_object().unwrap() {
        let path = entry["serverRelativeURL"].as_str().unwrap();
        let document = server.get(path).await.expect(200);
        assert!(document["openapi"].as_str().unwrap().starts_with("3."), "{path}");
    }
    server.get("/openapi/v3/apis/none/v1").await.expect(404);
    server.get("/openapi/v2").await.expect(404);
}

#[tokio::test]
async fn the_owner_may_do_anything() {
    let server = Server::start().await;
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(server.get(path).await.expect(200), "ok");
    }
    assert_eq!(server.get("/version").await.expect(200)["major"], "1");
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let asked = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let review = server.post(path, asked).await.expect(201);
    assert_eq!(review["status"]["allowed"], true);
    assert_eq!(review["spec"]["resourceAttributes"]["verb"], "get");
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let review = server.post(path, json!({})).await.expect(201);
    assert_eq!(review["status"]["userInfo"]["username"], "system:admin");
    server.get(path).await.expect(405);
    server.delete("/version", Value::Null).await.expect(404);
}
