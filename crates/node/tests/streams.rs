//! Logs followed and commands run through the API's own sockets.

use futures::{AsyncReadExt, SinkExt, StreamExt};
use http::Request;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::Test;
use crate::cluster::{Cluster, pod_path, script};

pub(crate) const TESTS: &[Test] = &[
    ("root_a_followed_log_ends_with_its_container", root_a_followed_log_ends_with_its_container),
    ("root_exec_speaks_channels", root_exec_speaks_channels),
    ("root_attach_shows_what_comes", root_attach_shows_what_comes),
];

fn root_a_followed_log_ends_with_its_container() {
    let cluster = Cluster::new();
    let text = "for i in 1 2 3; do echo $i; sleep 0.2; done";
    cluster.pod("talks", json!({"restartPolicy": "Never", "containers": [script("main", text)]}));
    cluster.wait("talks", |pod| pod["status"]["containerStatuses"][0]["containerID"].is_string());
    let uri = format!("{}/log?follow=true", pod_path("talks"));
    let out = cluster.world.runtime.block_on(async {
        let request = Request::get(uri).body(Vec::new()).unwrap();
        let mut stream = cluster.client.request_stream(request).await.unwrap();
        let mut out = String::new();
        stream.read_to_string(&mut out).await.unwrap();
        out
    });
    assert_eq!(out, "1\n2\n3\n");
    cluster.check_nothing_is_left();
}

/// Opens a stream over a real socket, sends `input`, and gathers the channels until the end.
fn stream(cluster: &Cluster, path: &str, protocol: &str, input: Vec<Vec<u8>>) -> [String; 4] {
    cluster.world.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = cluster.api.router();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", protocol.parse().unwrap());
        let tcp = tokio::net::TcpStream::connect(address).await.unwrap();
        let (mut socket, response) = tokio_tungstenite::client_async(request, tcp).await.unwrap();
        let chosen = response.headers().get("sec-websocket-protocol").unwrap();
        assert_eq!(chosen, protocol);
        for bytes in input {
            socket.send(Message::Binary(bytes.into())).await.unwrap();
        }
        let mut channels: [Vec<u8>; 4] = Default::default();
        while let Some(Ok(message)) = socket.next().await {
            if let Message::Binary(bytes) = message {
                channels[usize::from(bytes[0])].extend_from_slice(&bytes[1..]);
            }
        }
        server.abort();
        channels.map(|bytes| String::from_utf8(bytes).unwrap())
    })
}

fn root_exec_speaks_channels() {
    let cluster = Cluster::new();
    cluster.pod("shell", json!({"containers": [script("main", "sleep 100")]}));
    cluster.wait_ready("shell");
    let base = format!("{}/exec?container=main&stdout=true&stderr=true", pod_path("shell"));
    let command =
        |words: &[&str]| -> String { words.iter().map(|w| format!("&command={w}")).collect() };
    let path = format!("{base}&stdin=true{}", command(&["cat"]));
    // Channel 255 closes standard input, which ends the command.
    let input = vec![b"\0hello".to_vec(), vec![255, 0]];
    let [_, out, err, status] = stream(&cluster, &path, "v5.channel.k8s.io", input);
    assert_eq!((out.as_str(), err.as_str()), ("hello", ""));
    assert!(status.contains("Success"), "{status}");

    let path = format!("{base}{}", command(&["sh", "-c", "echo+out;echo+err%3E%262;exit+5"]));
    let [_, out, err, status] = stream(&cluster, &path, "v4.channel.k8s.io", vec![]);
    assert_eq!((out.as_str(), err.as_str()), ("out\n", "err\n"));
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status["reason"], "NonZeroExitCode");
    assert_eq!(status["details"]["causes"][0]["message"], "5");

    let path = format!(
        "{}/exec?stdin=true&stdout=true&tty=true{}",
        pod_path("shell"),
        command(&["sh", "-c", "sleep+0.3;stty+size"])
    );
    let size = b"\x04{\"Width\":111,\"Height\":22}".to_vec();
    let [_, out, _, _] = stream(&cluster, &path, "v5.channel.k8s.io", vec![size]);
    assert_eq!(out.trim(), "22 111");
    cluster.check_nothing_is_left();
}

fn root_attach_shows_what_comes() {
    let cluster = Cluster::new();
    let mut main = script("main", "echo before; read line; echo got $line; sleep 0.2; exit 3");
    main["stdin"] = json!(true);
    cluster.pod("asks", json!({"restartPolicy": "Never", "containers": [main]}));
    cluster.wait_ready("asks");
    crate::world::until("the question", || cluster.logs("asks", "") == "before\n");
    let path = format!("{}/attach?stdin=true&stdout=true&stderr=true", pod_path("asks"));
    let input = vec![b"\0an answer\n".to_vec()];
    let [_, out, _, status] = stream(&cluster, &path, "v5.channel.k8s.io", input);
    assert_eq!(out, "got an answer\n");
    assert!(status.contains("\"3\""), "{status}");
    cluster.check_nothing_is_left();
}
