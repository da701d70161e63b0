//! What the server stands on: images, objects, network, and the pods over them.
//!
//! Opened bottom up, before anything may ask for it. Next: `serve.rs`, which goes on from here.

use std::path::{Path, PathBuf};

use fs_err as fs;

use crate::error::{Code, Failure};
use crate::settings::Serve;

/// What everything else stands on.
pub(super) struct Ground {
    pub(super) images: image::Images,
    pub(super) store: store::Store,
    pub(super) net: net::Net,
    pub(super) pods: pod::Pods,
}

/// Opens the leaves, then the pods over them.
pub(super) async fn ground(
    options: &Serve,
    data_dir: &Path,
    run_dir: &Path,
) -> Result<Ground, Failure> {
    // Leaves: images, objects, network.
    let images = blocking("images", {
        let dir = data_dir.join("images");
        move || image::Images::open(&dir)
    })
    .await?;
    let store = blocking("store", {
        let path = make_dir(&data_dir.join("store"))?;
        move || store::Store::open(&path)
    })
    .await?;
    let net = net::Net::start(net::Settings {
        instance: options.instance(),
        state_dir: make_dir(&data_dir.join("net"))?,
        run_dir: make_dir(&run_dir.join("net"))?,
        pod_cidr: options.pod_cidr,
        service_cidr: options.service_cidr,
        domain: "cluster.local".into(),
        front_door: vec![options.http],
    })
    .await
    .map_err(|error| net_failure(error, options))?;

    // Pods: what outlived the last server is found again here.
    let pods = blocking("pods", {
        let settings = pod::Settings {
            data_dir: data_dir.to_path_buf(),
            run_dir: run_dir.to_path_buf(),
            instance: options.instance(),
            cgroup: format!("shelf-{}", options.instance()),
        };
        let (images, net) = (images.clone(), net.clone());
        let handle = tokio::runtime::Handle::current();
        move || pod::Pods::start(settings, images, net, handle)
    })
    .await?;
    Ok(Ground { images, store, net, pods })
}

/// Where images come from and go to.
pub(super) fn registries(options: &Serve) -> Result<registry::Client, Failure> {
    let settings = registry::Settings {
        insecure: options.insecure_registry.clone(),
        ca_file: options.registry_ca.clone(),
        logins: crate::settings::logins(),
    };
    registry::Client::new(&settings).map_err(wrap("registry"))
}

/// Runs a synchronous opening on a thread that may block.
async fn blocking<T: Send + 'static, E: std::error::Error + Send + Sync + 'static>(
    name: &'static str,
    open: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened.map_err(wrap(name)),
        Err(error) => Err(Failure::new(Code::Failed, "serve", format!("opening {name}: {error}"))),
    }
}

pub(super) fn wrap<E: std::error::Error + Send + Sync + 'static>(
    room: &'static str,
) -> impl FnOnce(E) -> Failure {
    move |error| {
        let name = format!("serve/{room}");
        Failure::new(Code::Failed, &name, format!("{:#}", anyhow::Error::new(error)))
    }
}

fn net_failure(error: net::Error, options: &Serve) -> Failure {
    if let net::Error::PortTaken { .. } = &error {
        let free = options.http.port() + 1;
        return Failure::new(
            Code::Failed,
            "port/taken",
            format!("{:#}", anyhow::Error::new(error)),
        )
        .hint(format!("use another:  shelf serve --http {}:{free}", options.http.ip()));
    }
    wrap("network")(error)
}

/// Makes a directory that nobody else may look into.
pub(super) fn make_private_dir(path: &Path) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let path = make_dir(path)?;
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))
        .map_err(|error| Failure::new(Code::Failed, "serve/directory", format!("{error}")))?;
    Ok(path)
}

pub(super) fn make_dir(path: &Path) -> Result<PathBuf, Failure> {
    use std::os::unix::fs::PermissionsExt;
    let fails =
        |error: std::io::Error| Failure::new(Code::Failed, "serve/directory", format!("{error}"));
    let new = !path.exists();
    fs::create_dir_all(path).map_err(fails)?;
    if new {
        fs::set_permissions(path, std::fs::Permissions::from_mode(0o711)).map_err(fails)?;
    }
    fs::canonicalize(path).map_err(fails)
}
