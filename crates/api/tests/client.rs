//! The kube crate's client on the in-process router: what every loop of ours is built on.

use crate::harness::Server;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{
    Api, DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
};
use kube::runtime::watcher;
use serde_json::json;

fn client(server: &Server) -> kube::Client {
    kube::Client::new(server.api.router(), "default")
}

#[tokio::test]
async fn lists_watches_and_applies() {
    let server = Server::start().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let map: ConfigMap = serde_json::from_value(json!({"metadata": {"name": "a"}})).unwrap();
    let made = maps.create(&PostParams::default(), &map).await.unwrap();
    let list = maps.list(&ListParams::default()).await.unwrap();
    assert_eq!(list.items.len(), 1);
    let revision = list.metadata.resource_version.unwrap();
    assert_eq!(Some(&revision), made.metadata.resource_version.as_ref());
    let mut events = maps.watch(&WatchParams::default(), &revision).await.unwrap().boxed();
    let apply = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"k": "v"}});
    let applied =
        maps.patch("a", &PatchParams::apply("test"), &Patch::Apply(&apply)).await.unwrap();
    assert_eq!(applied.data.as_ref().unwrap()["k"], "v");
    let Some(WatchEvent::Modified(seen)) = events.try_next().await.unwrap() else {
        panic!("not the event of the apply");
    };
    assert_eq!(seen.data, applied.data);
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(matches!(events.try_next().await.unwrap(), Some(WatchEvent::Deleted(_))));
    let error = maps.get("a").await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 404));
}

#[tokio::test]
async fn watchers_follow_in_both_ways_of_listing() {
    for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
        let server = Server::start().await;
        let pods: Api<Pod> = Api::all(client(&server));
        let own: Api<Pod> = Api::default_namespaced(client(&server));
        let pod: Pod = serde_json::from_value(crate::harness::pod("first")).unwrap();
        own.create(&PostParams::default(), &pod).await.unwrap();
        let mut events = watcher(pods, config).boxed();
        let mut found = Vec::new();
        while let Some(event) = events.try_next().await.unwrap() {
            match event {
                watcher::Event::InitApply(pod) => found.push(pod.metadata.name.unwrap()),
                watcher::Event::InitDone => {
                    let pod = serde_json::from_value(crate::harness::pod("second")).unwrap();
                    own.create(&PostParams::default(), &pod).await.unwrap();
                }
                watcher::Event::Apply(pod) => {
                    found.push(pod.metadata.name.unwrap());
                    break;
                }
                _ => {}
            }
        }
        assert_eq!(found, ["first", "second"]);
    }
}
