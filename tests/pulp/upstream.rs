//! A web server that Pulp copies from: small files, a manifest, and patience on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::client;
use crate::server::Server;

/// Serves `count` files below `/<anything>/`; those of `/<word>-slow/` take a while each, those of
/// `/<word>-locked/` need `LOGIN`.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Files given away so far.
    pub(crate) served: Arc<AtomicU64>,
}

/// Name and password of locked folders.
pub(crate) const LOGIN: (&str, &str) = ("ana", "words-that-are-nowhere-else");

/// How long a file of a slow folder takes.
const SLOW: Duration = Duration::from_millis(400);

impl Upstream {
    /// Listens on the bridge's address: pods reach it, nobody else does.
    pub(crate) fn start(server: &Server, count: usize) -> Result<Upstream> {
        let listener = TcpListener::bind((bridge(server)?, 0))?;
        let address = listener.local_addr()?;
        let served = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&served);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let counter = Arc::clone(&counter);
                // A client that leaves is its own business.
                std::thread::spawn(move || drop(answer(stream, count, &counter)));
            }
        });
        Ok(Upstream { address, served })
    }

    pub(crate) fn url(&self, folder: &str) -> String {
        format!("http://{}/{folder}/PULP_MANIFEST", self.address)
    }
}

/// The address of the server's bridge, where its pods find this machine.
fn bridge(server: &Server) -> Result<Ipv4Addr> {
    let name = format!("sh{}", server.instance());
    let output = Command::new("ip").args(["-j", "-4", "address", "show", &name]).output()?;
    let list: Value = serde_json::from_slice(&output.stdout).context("the bridge")?;
    let ip = list[0]["addr_info"][0]["local"].as_str().context("the bridge's address")?;
    Ok(ip.parse()?)
}

fn content(folder: &str, number: usize) -> String {
    format!("file {number} of {folder}\n")
}

fn answer(mut stream: TcpStream, count: usize, served: &AtomicU64) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let login = format!("Basic {}", STANDARD.encode(format!("{}:{}", LOGIN.0, LOGIN.1)));
    loop {
        let mut first = String::new();
        if lines.read_line(&mut first)? == 0 {
            return Ok(());
        }
        let (mut line, mut welcome) = (String::new(), false);
        while lines.read_line(&mut line)? > 2 {
            welcome |= line.trim_end().ends_with(&login);
            line.clear();
        }
        let path = first.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
        let (folder, file) = path.split_once('/').unwrap_or_default();
        let number = file.strip_prefix('f').and_then(|number| number.parse::<usize>().ok());
        if folder.ends_with("-locked") && !welcome {
            let no = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"locked\"\r\n\
                      Content-Length: 0\r\n\r\n";
            stream.write_all(no.as_bytes())?;
            continue;
        }
        let body = match number {
            _ if file == "PULP_MANIFEST" => (0..count)
                .map(|number| {
                    let text = content(folder, number);
                    let digest = client::digest(text.as_bytes());
                    format!("f{number},{digest},{}\n", text.len())
                })
                .collect(),
            Some(number) if number < count => {
                if folder.ends_with("-slow") {
                    std::thread::sleep(SLOW);
                }
                served.fetch_add(1, Ordering::Relaxed);
                content(folder, number)
            }
            _ => {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
        };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes())?;
    }
}
