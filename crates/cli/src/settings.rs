//! Where things are: directories, sockets and addresses, from flags and the environment.
//!
//! The only file that reads the environment. Order: flag, environment, `config.toml`, default. Several
//! `shelf serve` run side by side when each has its own data and run directory.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::client::Client;

/// Flags every command takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Run directory of the server to talk to (its sockets live there)
    #[arg(
        long,
        global = true,
        env = "SHELF_RUN_DIR",
        default_value = "/run/shelf",
        value_name = "DIR"
    )]
    pub(crate) run_dir: PathBuf,

    /// Print one JSON object (streams: one per line) instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// Lists: names alone, one a line. What goes on: its end alone
    #[arg(short = 'q', long, global = true, conflicts_with = "json")]
    pub(crate) quiet: bool,

    /// How what goes on is shown; `auto` redraws on a terminal
    #[arg(long, global = true, env = "SHELF_PROGRESS", default_value = "auto", value_name = "HOW")]
    pub(crate) progress: Shown,

    /// The target: a cluster that `shelf target add` keeps, or local [default: the used one]
    #[arg(long, global = true, env = "SHELF_ON", value_name = "TARGET")]
    pub(crate) on: Option<String>,

    /// Name a protected target once more, to change it
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) confirm: Option<String>,

    /// The app's folder, or its name if the server knows it [default: found upwards from here]
    #[arg(short = 'a', long = "app", global = true, value_name = "APP")]
    pub(crate) app: Option<String>,
}

/// How a verb's events are shown on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shown {
    /// Redrawn lines on a terminal, plain ones elsewhere.
    Auto,
    /// A line for each, never redrawn.
    Plain,
    /// Not at all.
    None,
}

impl Global {
    /// A client of the server, for the target that is meant.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.socket()).on(self.on.as_deref(), self.confirm.as_deref())
    }

    /// The socket of the verbs.
    pub(crate) fn socket(&self) -> PathBuf {
        self.run_dir.join("shelf.sock")
    }

    /// The socket of the Kubernetes API (root only, no token needed).
    pub(crate) fn api_socket(&self) -> PathBuf {
        self.run_dir.join("api.sock")
    }

    /// The Docker API for root on this machine.
    pub(crate) fn docker_socket(&self) -> PathBuf {
        self.run_dir.join("docker.sock")
    }

    /// The kubeconfig that `shelf serve` writes.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.run_dir.join("kubeconfig")
    }
}

/// Where data is kept unless `shelf serve` is told of another place.
pub(crate) const DATA_DIR: &str = "/var/lib/shelf";

/// Flags of `shelf serve`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Serve {
    /// Everything that lasts: images, volumes, objects, keys
    #[arg(long, env = "SHELF_DATA_DIR", default_value = DATA_DIR, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// Where the front door listens: the address of every app's URL
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) http: SocketAddr,

    /// Where the Kubernetes API listens (HTTPS, token or client certificate)
    #[arg(long, default_value = "127.0.0.1:6443", value_name = "ADDRESS")]
    pub(crate) api: SocketAddr,

    /// Where the canvas listens for browsers on this machine; `off` for no canvas
    /// [default: 127.0.0.1:7433, or any free port if that is taken]
    #[arg(long, env = "SHELF_CANVAS", value_name = "ADDRESS", value_parser = canvas)]
    pub(crate) canvas: Option<Canvas>,

    /// Addresses of pods [default: a /20 of 10.88.0.0–10.127.0.0 that nothing here uses]
    #[arg(long, value_name = "CIDR", value_parser = cidr)]
    pub(crate) pod_cidr: Option<(Ipv4Addr, u8)>,

    /// Addresses of services
    #[arg(long, default_value = "10.152.0.0/16", value_name = "CIDR", value_parser = cidr)]
    pub(crate) service_cidr: (Ipv4Addr, u8),

    /// CA certificates for the steps of a build; `none` for the image's own only
    /// [default: this machine's bundle, mounted for the step and never kept in an image]
    #[arg(long, value_name = "FILE")]
    pub(crate) build_ca: Option<PathBuf>,

    /// A registry that may speak plain HTTP; this machine's own always may (can be given again)
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) insecure_registry: Vec<String>,

    /// CA certificates (PEM) of registries, besides those this machine trusts
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,

    /// End the running server; containers stay up and are found again by the next one
    #[arg(long)]
    pub(crate) stop: bool,

    /// With --stop: end the containers and the network too; data stays
    #[arg(long, requires = "stop")]
    pub(crate) containers: bool,
}

impl Serve {
    /// The name this server's links, tables and control groups carry: six characters made from
    /// the data directory, so that two servers never touch each other's.
    pub(crate) fn instance(&self) -> String {
        // FNV-1a: stable over releases, which std's hasher does not promise.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.data_dir.as_os_str().as_encoded_bytes() {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
        (0..6).map(|place| char::from(LETTERS[(hash >> (place * 5)) as usize & 31])).collect()
    }

    /// The bundle of CA certificates that build steps get, if any.
    pub(crate) fn build_ca(&self) -> Option<PathBuf> {
        let host = Path::new("/etc/ssl/certs/ca-certificates.crt");
        match &self.build_ca {
            Some(path) if path.as_os_str() == "none" => None,
            Some(path) => Some(path.clone()),
            None => host.is_file().then(|| host.to_path_buf()),
        }
    }
}

/// The file that `shelf login` writes.
pub(crate) fn auth_file() -> PathBuf {
    if let Some(path) = std::env::var_os("SHELF_AUTH_FILE").filter(|path| !path.is_empty()) {
        return path.into();
    }
    folder().join("auth.json")
}

/// Where a person's own files are.
fn folder() -> PathBuf {
    let config = std::env::var_os("XDG_CONFIG_HOME").filter(|path| !path.is_empty());
    config.map_or_else(|| home().join(".config"), PathBuf::from).join("shelf")
}

/// The file that `shelf config` writes.
pub(crate) fn preferences_file() -> PathBuf {
    folder().join("config.toml")
}

/// A variable of the environment that stands for a flag.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where logins for registries are looked for: ours first, then what Docker wrote.
pub(crate) fn logins() -> registry::Logins {
    registry::Logins { files: vec![auth_file(), home().join(".docker/config.json")] }
}

/// A service may be started without `HOME`; the server is root's.
pub(crate) fn home() -> PathBuf {
    std::env::var_os("HOME").filter(|path| !path.is_empty()).map_or("/root".into(), PathBuf::from)
}

/// Where the canvas listens, if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canvas {
    /// It does not.
    Off,
    /// Here.
    At(SocketAddr),
}

fn canvas(text: &str) -> Result<Canvas, String> {
    if text == "off" {
        return Ok(Canvas::Off);
    }
    let address: SocketAddr =
        text.parse().map_err(|_| "write it as 127.0.0.1:7433, or off".to_owned())?;
    if !address.ip().is_loopback() {
        return Err("the canvas has no TLS, so it listens on this machine only; \
             from another:  ssh -L 7433:127.0.0.1:7433 HOST"
            .into());
    }
    Ok(Canvas::At(address))
}

/// The name of the person at this terminal, for histories.
pub(crate) fn person() -> String {
    let names = ["SUDO_USER", "USER", "LOGNAME"];
    let named = names.iter().filter_map(|name| std::env::var(name).ok());
    named.into_iter().find(|name| !name.is_empty()).unwrap_or_else(|| "owner".into())
}

fn cidr(text: &str) -> Result<(Ipv4Addr, u8), String> {
    let (address, bits) = text.split_once('/').ok_or("write it as 10.152.0.0/16")?;
    let address: Ipv4Addr =
        address.parse().map_err(|_| format!("{address} is not an IPv4 address"))?;
    let bits: u8 = bits.parse().map_err(|_| format!("/{bits} is not a prefix length"))?;
    if !(8..=28).contains(&bits) {
        return Err(format!("/{bits} is too large or too small: from /8 to /28"));
    }
    let mask = u32::MAX << (32 - bits);
    if address.to_bits() & !mask != 0 {
        return Err(format!("{address} has bits beyond /{bits}"));
    }
    Ok((address, bits))
}

/// Whether output may be coloured and redrawn.
pub(crate) fn fancy_terminal() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let plain = ["NO_COLOR", "CI", "SHELF_ACCESSIBLE"].into_iter().any(set);
    rustix::termios::isatty(std::io::stderr()) && !plain && !dumb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canvas_stays_on_this_machine() {
        assert_eq!(canvas("off"), Ok(Canvas::Off));
        assert!(matches!(canvas("127.0.0.1:0"), Ok(Canvas::At(_))));
        assert!(matches!(canvas("[::1]:7433"), Ok(Canvas::At(_))));
        for wrong in ["0.0.0.0:7433", "192.0.2.2:1", "localhost:7433", "7433", ""] {
            assert!(canvas(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_cidr_with_bits_beyond_its_prefix_is_refused() {
        assert_eq!(cidr("10.1.0.0/16"), Ok((Ipv4Addr::new(10, 1, 0, 0), 16)));
        for wrong in ["10.1.0.0", "10.1.2.0/16", "10.1.0.0/33", "x/16", "10.0.0.0/4"] {
            assert!(cidr(wrong).is_err(), "{wrong}");
        }
    }
}
