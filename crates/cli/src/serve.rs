//! `shelf serve`: all rooms joined. Read this to know what talks to what.
//!
//! ```text
//! store -> api -> (in-process client) -> control, node, apps -> web
//! image, net -> pod -> node, apps (builds), docker
//! image -> registry -> node, apps, docker
//! ```
//!
//! Started bottom up and stopped top down. Containers, the front door and the name server live in
//! processes of their own: ending or killing this one ends none of them.

mod backups;
mod canvas;
mod ground;
mod running;
mod sockets;

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use api::pki::Pki;
use apps::Target;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::commands::Outcome;
use crate::error::{Code, Failure};
use crate::serve::ground::{Ground, ground, make_dir, make_private_dir, wrap};
use crate::serve::running::{Ending, Running};
use crate::settings::{Global, Serve};

pub(crate) use running::stop;

/// Runs the server until it is told to end.
pub(crate) async fn serve(global: &Global, options: &Serve) -> Outcome {
    let began = Instant::now();
    log_to_stderr();
    require_machine()?;
    let data_dir = make_dir(&options.data_dir)?;
    let options = Serve { data_dir: data_dir.clone(), ..options.clone() };
    let run_dir = make_dir(&global.run_dir)?;
    let running = Running::claim(&data_dir, &run_dir)?;
    let api_listener = listen(options.api, "--api").await?;
    let canvas = canvas::listen(options.canvas).await?;

    let Ground { images, store, net, pods } = ground(&options, &data_dir, &run_dir).await?;

    // The Kubernetes API, and a client of it that needs no wire.
    let kubelet = node::kubelet::Door::new();
    let settings = api::Settings {
        service_cidr: options.service_cidr,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    let api =
        api::Api::new(store.clone(), kubelet.router(), settings).await.map_err(wrap("api"))?;
    let client = kube::Client::new(api.router(), "default");
    let addresses = [IpAddr::V4(net.dns_address()), options.api.ip()];
    let pki = Pki::open(&make_dir(&data_dir.join("pki"))?, &addresses, &[]).map_err(wrap("pki"))?;
    write_kubeconfig(global, &pki, &api_listener)?;

    // Loops: desired objects to other objects, and pods made real.
    let (end, ended) = watch::channel(false);
    let volumes_dir = make_dir(&data_dir.join("volumes"))?;
    let control = tokio::spawn(control::run(
        client.clone(),
        control::Settings::new(volumes_dir, pki.ca_pem().to_owned()),
        told(ended.clone()),
    ));
    let name = hostname();
    let registry = ground::registries(&options)?;
    let mut node_settings = node::Settings::new(&name, &data_dir, &run_dir, net.dns_address());
    node_settings.registry = Some(registry.clone());
    let node = node::Node::start(client.clone(), pods.clone(), net.clone(), node_settings, kubelet)
        .await
        .map_err(wrap("node"))?;

    // Faces: the API over TLS and on a socket, the verbs on another.
    let about = about(&options, &name, &net);
    let docker = docker::router(docker::Settings {
        pods: pods.clone(),
        images: images.clone(),
        registry: registry.clone(),
        data_dir: data_dir.clone(),
        build_ca: options.build_ca(),
        version: env!("CARGO_PKG_VERSION").into(),
    })
    .await
    .map_err(wrap("docker"))?;
    let target = Target {
        client,
        images,
        pods: pods.clone(),
        registry,
        http: net.front_door().first().copied().unwrap_or(options.http),
        build_ca: options.build_ca(),
        keep: make_private_dir(&data_dir.join("kept"))?,
        cluster: None,
    };
    let (ask_end, asked) = tokio::sync::mpsc::channel(1);
    end_leftovers(&target);
    let backups = tokio::spawn(backups::run(target.clone(), told(ended.clone())));
    let web = canvas::open(target, &data_dir, about, canvas.as_ref(), &net)?;
    let verbs = web.socket_router().merge(running::router(ask_end));
    sockets::serve(&global.socket(), verbs, told(ended.clone()))?;
    sockets::serve(&global.api_socket(), api.router(), told(ended.clone()))?;
    sockets::serve(&global.docker_socket(), docker, told(ended.clone()))?;
    let tls = tokio::spawn(api::tls::serve(api_listener, api, pki, told(ended.clone())));
    let page = canvas::serve(&web, canvas, told(ended));

    tracing::info!(
        front_door = %options.http, api = %options.api, data = %data_dir.display(),
        ready_ms = began.elapsed().as_millis(), "shelf is ready"
    );
    canvas::greet(&web)?;
    let ending = running.wait(asked).await;
    tracing::info!(?ending, "ending");
    // Nobody may be left to hear it: loops that ended by themselves have logged why.
    let _heard = end.send(true);
    node.stop().await;
    join("control", control).await;
    join("api", tls).await;
    join("backups", backups).await;
    join("canvas", page).await;
    if ending == Ending::WithContainers {
        end_containers(&pods).await;
    }
    let with_links = ending == Ending::WithContainers;
    net.shutdown(with_links).await.map_err(wrap("network"))?;
    drop(store);
    running.release();
    Ok(ExitCode::SUCCESS)
}

/// What an earlier server was at when it ended.
fn end_leftovers(target: &Target) {
    if let Err(error) = apps::sweep(target) {
        tracing::warn!(%error, "what was left over stays");
    }
    let target = target.clone();
    tokio::spawn(async move { apps::end_trials(&target).await });
}

/// What the server says of itself.
fn about(options: &Serve, node: &str, net: &net::Net) -> serde_json::Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"), "pid": std::process::id(), "node": node,
        "data_dir": options.data_dir, "front_door": net.front_door(), "api": options.api,
        "instance": options.instance(),
    })
}

/// Refuses a machine on which no pod could ever start, before anything is made on it.
fn require_machine() -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::new(
            Code::Refused,
            "serve/root",
            "shelf serve makes namespaces, mounts and links, which needs root",
        )
        .hint("sudo shelf serve        what else is missing:  shelf doctor"));
    }
    crate::machine::namespaces().map(drop).map_err(|why| {
        Failure::new(Code::Failed, "serve/namespaces", format!("no pod could start here: {why}"))
            .hint(crate::machine::NAMESPACES_FIX)
    })
}

/// Ends every pod; the objects stay, so the next server starts them again.
async fn end_containers(pods: &pod::Pods) {
    let mut tasks = Vec::new();
    for state in pods.list() {
        let pods = pods.clone();
        tasks.push(tokio::task::spawn_blocking(move || {
            if let Err(error) = pods.end(&state.spec.id, Duration::from_secs(10)) {
                tracing::warn!(pod = state.spec.name, %error, "a pod was not ended");
            }
        }));
    }
    for task in tasks {
        join("pod", task).await;
    }
}

/// Waits for a task that was told to end, not for ever.
async fn join<T>(name: &str, task: tokio::task::JoinHandle<T>) {
    match tokio::time::timeout(Duration::from_secs(30), task).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => tracing::error!(name, %error, "a loop ended badly"),
        Err(_) => tracing::warn!(name, "did not end within 30 s and is left behind"),
    }
}

/// A future that ends when the server is told to end.
async fn told(mut ended: watch::Receiver<bool>) {
    // An error means the sender is gone, which is the end as well.
    let _gone = ended.wait_for(|ended| *ended).await;
}

async fn listen(address: std::net::SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let name =
            if error.kind() == std::io::ErrorKind::AddrInUse { "port/taken" } else { "port" };
        Failure::new(Code::Failed, name, format!("cannot listen on {address}: {error}")).hint(
            format!(
                "who holds it:  ss -ltnp 'sport = :{}'    another:  shelf serve {flag} {}:0",
                address.port(),
                address.ip()
            ),
        )
    })
}

fn write_kubeconfig(global: &Global, pki: &Pki, listener: &TcpListener) -> Result<(), Failure> {
    let fails =
        |error: std::io::Error| Failure::new(Code::Failed, "serve/kubeconfig", format!("{error}"));
    let address = listener.local_addr().map_err(fails)?;
    let host = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let text =
        pki.kubeconfig(&format!("https://{}", std::net::SocketAddr::new(host, address.port())));
    sockets::write_private(&global.kubeconfig(), text.as_bytes()).map_err(fails)
}

fn hostname() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    let safe: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    let safe = safe.trim_matches('-').to_owned();
    if safe.is_empty() { "localhost".into() } else { safe }
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SHELF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // A second subscriber in one process would be a bug of ours; the first one stays then.
    let _set = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(crate::settings::fancy_terminal())
        .try_init();
}
