//! A request as the API gets it: any path, query, type and body.
#![no_main]

use std::cell::RefCell;
use std::net::Ipv4Addr;

use axum::body::Body;
use axum::http::Request;
use libfuzzer_sys::fuzz_target;
use tower::ServiceExt;

struct World {
    runtime: tokio::runtime::Runtime,
    router: axum::Router,
}

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

fn world() -> World {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let store = store::Store::open_in_memory().expect("a store");
    let settings =
        api::Settings { service_cidr: (Ipv4Addr::new(10, 9, 0, 0), 16), version: "fuzz".into() };
    let api = runtime.block_on(api::Api::new(store, axum::Router::new(), settings));
    World { runtime, router: api.expect("an API").router() }
}

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const TYPES: [&str; 7] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

fuzz_target!(|data: (u8, u8, &str, &[u8])| {
    let (method, kind, path, body) = data;
    // A watch without end would wait for ever.
    if path.contains("watch") {
        return;
    }
    let request = Request::builder()
        .method(METHODS[usize::from(method) % METHODS.len()])
        .uri(format!("/{}", path.trim_start_matches('/')))
        .header("content-type", TYPES[usize::from(kind) % TYPES.len()])
        .body(Body::from(body.to_vec()));
    let Ok(request) = request else { return };
    WORLD.with_borrow_mut(|known| {
        let world = known.get_or_insert_with(world);
        let answer = world.runtime.block_on(world.router.clone().oneshot(request));
        let status = answer.expect("the router always answers").status();
        assert_ne!(status, 500, "an error of ours, not of the request");
    });
});
