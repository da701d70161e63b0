//! Probes: is a container started, alive, ready?
//!
//! One task for each start of a container that has probes. It keeps the verdicts in [`Health`]
//! and rings the pod's bell when one changes; the worker draws the conclusions.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Container, ExecAction, HTTPGetAction, Pod, Probe, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::host::{Host, uid};

/// How soon a container that has just started is asked again whether it is ready; then after twice
/// that, and so on until the period is reached.
const EAGER: Duration = Duration::from_millis(50);
/// The same where asking costs a process.
const EAGER_EXEC: Duration = Duration::from_millis(200);
/// The kind of probe that is asked like this.
const READINESS: &str = "Readiness";
/// Output kept of a failed probe, for the event.
const OUTPUT: usize = 1024;

/// The probes' verdicts on the containers of one pod, by name.
#[derive(Default)]
pub(crate) struct Health {
    containers: Mutex<BTreeMap<String, Verdict>>,
    pub(crate) bell: Notify,
}

struct Verdict {
    attempt: u32,
    started: bool,
    ready: bool,
    /// Why it must be killed.
    kill: Option<String>,
    task: Option<AbortHandle>,
}

impl Drop for Verdict {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Health {
    fn with<T>(&self, call: impl FnOnce(&mut BTreeMap<String, Verdict>) -> T) -> T {
        call(&mut self.containers.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn started(&self, name: &str) -> bool {
        self.with(|all| all.get(name).is_some_and(|v| v.started))
    }

    pub(crate) fn ready(&self, name: &str) -> bool {
        self.with(|all| all.get(name).is_some_and(|v| v.started && v.ready))
    }

    /// Containers whose probes ask for their end, with the reason; asked once.
    pub(crate) fn to_kill(&self) -> Vec<(String, u32, String)> {
        self.with(|all| {
            all.iter_mut()
                .filter_map(|(name, v)| Some((name.clone(), v.attempt, v.kill.take()?)))
                .collect()
        })
    }

    /// Whether this start of the container is watched already.
    pub(crate) fn watches(&self, name: &str, attempt: u32) -> bool {
        self.with(|all| all.get(name).is_some_and(|v| v.attempt == attempt))
    }

    /// Ends the watch over a container.
    pub(crate) fn forget(&self, name: &str) {
        self.with(|all| all.remove(name));
    }

    pub(crate) fn forget_all(&self) {
        self.with(BTreeMap::clear);
    }

    fn change(&self, name: &str, attempt: u32, change: impl FnOnce(&mut Verdict)) {
        self.with(|all| {
            if let Some(verdict) = all.get_mut(name).filter(|v| v.attempt == attempt) {
                change(verdict);
            }
        });
        self.bell.notify_one();
    }
}

/// Counts results in a row (Kubernetes API, `Probe.successThreshold`, `failureThreshold`).
#[derive(Debug, Default)]
pub(crate) struct Counter {
    last: Option<bool>,
    run: u32,
}

impl Counter {
    /// Takes one result; tells the verdict once enough of the same came in a row.
    pub(crate) fn observe(&mut self, ok: bool, success: u32, failure: u32) -> Option<bool> {
        if self.last == Some(ok) {
            self.run = self.run.saturating_add(1);
        } else {
            self.last = Some(ok);
            self.run = 1;
        }
        let enough = if ok { success } else { failure };
        (self.run >= enough.max(1)).then_some(ok)
    }
}

/// What is asked of a container by a probe or a hook.
pub(crate) enum Question<'a> {
    Exec(&'a ExecAction),
    Http(&'a HTTPGetAction),
    Tcp(&'a TCPSocketAction),
}

/// Who is asked.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) host: Arc<Host>,
    pub(crate) pod: Arc<Pod>,
    pub(crate) container: Container,
    pub(crate) ip: Ipv4Addr,
}

/// Begins to watch one start of a container. `before` is what was known of it when the daemon
/// found it running: its verdicts stand until the probes say otherwise.
pub(crate) fn watch(health: &Arc<Health>, target: Target, attempt: u32, before: (bool, bool)) {
    let name = target.container.name.clone();
    let probes = &target.container;
    let verdict = Verdict {
        attempt,
        started: probes.startup_probe.is_none() || before.0,
        ready: probes.readiness_probe.is_none() || before.1,
        kill: None,
        task: None,
    };
    let any = probes.startup_probe.is_some()
        || probes.liveness_probe.is_some()
        || probes.readiness_probe.is_some();
    let started = verdict.started;
    health.with(|all| all.insert(name.clone(), verdict));
    if !any {
        return;
    }
    let task = tokio::spawn(run(health.clone(), target, attempt, started)).abort_handle();
    health.with(|all| {
        if let Some(verdict) = all.get_mut(&name).filter(|v| v.attempt == attempt) {
            verdict.task = Some(task);
        }
    });
}

async fn run(health: Arc<Health>, target: Target, attempt: u32, started: bool) {
    let container = target.container.clone();
    let name = &container.name;
    if let Some(probe) = container.startup_probe.as_ref().filter(|_| !started) {
        let verdict = rounds(&target, probe, "Startup", |_| true).await;
        if !verdict.0 {
            let why = format!("Container {name} failed startup probe, will be restarted");
            health.change(name, attempt, |v| v.kill = Some(why));
            return;
        }
        health.change(name, attempt, |v| v.started = true);
    }
    let live = async {
        let Some(probe) = &container.liveness_probe else { return };
        rounds(&target, probe, "Liveness", |verdict| !verdict).await;
        let why = format!("Container {name} failed liveness probe, will be restarted");
        health.change(name, attempt, |v| v.kill = Some(why));
    };
    let ready = async {
        let Some(probe) = &container.readiness_probe else { return };
        rounds(&target, probe, READINESS, |verdict| {
            health.change(name, attempt, |v| v.ready = verdict);
            false
        })
        .await;
    };
    tokio::join!(live, ready);
}

fn number(value: Option<i32>, default: u32) -> u32 {
    value.and_then(|v| u32::try_from(v).ok()).filter(|v| *v > 0).unwrap_or(default)
}

/// Probes until a verdict satisfies `last`; each changed verdict is told to it. A startup probe's
/// `false` always ends.
async fn rounds(
    target: &Target,
    probe: &Probe,
    kind: &str,
    mut last: impl FnMut(bool) -> bool,
) -> (bool, String) {
    let seconds = |value: u32| Duration::from_secs(u64::from(value));
    let delay = probe.initial_delay_seconds.and_then(|v| u32::try_from(v).ok()).unwrap_or(0);
    sleep(seconds(delay)).await;
    let period = seconds(number(probe.period_seconds, 10));
    let (success, failure) =
        (number(probe.success_threshold, 1), number(probe.failure_threshold, 3));
    // Who just starts is asked again soon, and less often the longer it takes: upstream lets a whole
    // period pass after the first refusal, which is most of what a start takes.
    let mut eager = (kind == READINESS && success == 1)
        .then(|| if probe.exec.is_some() { EAGER_EXEC } else { EAGER });
    let mut counter = Counter::default();
    let mut told = None;
    // What has passed since the last round of the period.
    let mut passed = period;
    loop {
        let result = match question(probe) {
            Some(question) => ask(target, &question, number(probe.timeout_seconds, 1)).await,
            None => Ok(()),
        };
        // Between the rounds of the period only a good answer counts.
        let round = passed >= period;
        if round {
            passed = Duration::ZERO;
        }
        if let Err(why) = &result
            && round
        {
            let text = format!("{kind} probe failed: {why}");
            let container = Some(target.container.name.as_str());
            target.host.recorder.warning(&target.pod, container, "Unhealthy", text);
        }
        if (round || result.is_ok())
            && let Some(verdict) = counter.observe(result.is_ok(), success, failure)
            && told != Some(verdict)
        {
            told = Some(verdict);
            if last(verdict) {
                return (verdict, result.err().unwrap_or_default());
            }
        }
        eager = eager.filter(|_| result.is_err());
        let pause = eager.unwrap_or(period).min(period - passed);
        eager = eager.map(|pause| pause * 2);
        passed += pause;
        sleep(pause).await;
    }
}

fn question(probe: &Probe) -> Option<Question<'_>> {
    if let Some(exec) = &probe.exec {
        Some(Question::Exec(exec))
    } else if let Some(http) = &probe.http_get {
        Some(Question::Http(http))
    } else {
        probe.tcp_socket.as_ref().map(Question::Tcp)
    }
}

/// Asks once; the error says what was wrong.
pub(crate) async fn ask(
    target: &Target,
    question: &Question<'_>,
    at_most_seconds: u32,
) -> Result<(), String> {
    let at_most = Duration::from_secs(u64::from(at_most_seconds));
    match question {
        Question::Exec(action) => exec(target, action, at_most).await,
        Question::Http(action) => {
            let asked = timeout(at_most, http(target, action)).await;
            asked.unwrap_or_else(|_| Err(format!("no answer within {at_most_seconds} s")))
        }
        Question::Tcp(action) => {
            let port = port(&target.container, &action.port)?;
            let ip = host(target, action.host.as_deref());
            match timeout(at_most, TcpStream::connect((ip.as_str(), port))).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("dial tcp {ip}:{port}: {error}")),
                Err(_) => Err(format!("dial tcp {ip}:{port}: i/o timeout")),
            }
        }
    }
}

fn host(target: &Target, named: Option<&str>) -> String {
    named.filter(|h| !h.is_empty()).map_or_else(|| target.ip.to_string(), str::to_owned)
}

/// A port by number, or by its name among the container's ports.
fn port(container: &Container, port: &IntOrString) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|known| known.name.as_ref() == Some(name))
            .map(|known| known.container_port)
            .or_else(|| name.parse().ok()),
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("port {port:?} is not a port of the container"))
}

async fn http(target: &Target, action: &HTTPGetAction) -> Result<(), String> {
    let port = port(&target.container, &action.port)?;
    let ip = host(target, action.host.as_deref());
    let headers = action.http_headers.as_deref().unwrap_or_default();
    let clean = |text: &str| !text.contains(['\r', '\n']);
    let path = action.path.as_deref().filter(|p| !p.is_empty()).unwrap_or("/");
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    if !clean(&path) || headers.iter().any(|h| !clean(&h.name) || !clean(&h.value)) {
        return Err("path or header with a line break".to_owned());
    }
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    let named = |name: &str| headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
    for (name, value) in [
        ("Host", format!("{ip}:{port}")),
        ("User-Agent", "kube-probe/1.36".into()),
        ("Accept", "*/*".into()),
    ] {
        if !named(name) {
            request += &format!("{name}: {value}\r\n");
        }
    }
    for header in headers {
        request += &format!("{}: {}\r\n", header.name, header.value);
    }
    request += "\r\n";
    let url = format!("http://{ip}:{port}{path}");
    let mut stream = TcpStream::connect((ip.as_str(), port))
        .await
        .map_err(|error| format!("Get \"{url}\": {error}"))?;
    stream.write_all(request.as_bytes()).await.map_err(|e| format!("Get \"{url}\": {e}"))?;
    let mut head = Vec::new();
    while head.len() < OUTPUT && !head.contains(&b'\n') {
        let count = stream.read_buf(&mut head).await.map_err(|e| format!("Get \"{url}\": {e}"))?;
        if count == 0 {
            break;
        }
    }
    let line = String::from_utf8_lossy(&head);
    let status = line.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
    match status {
        Some(200..400) => Ok(()),
        Some(code) => Err(format!("HTTP probe failed with statuscode: {code}")),
        None => Err(format!("Get \"{url}\": malformed HTTP response")),
    }
}

async fn exec(target: &Target, action: &ExecAction, at_most: Duration) -> Result<(), String> {
    let exec = pod::Exec {
        args: action.command.clone().unwrap_or_default(),
        stdin: false,
        terminal: None,
    };
    let (id, name) = (uid(&target.pod), target.container.name.clone());
    let begin = target.host.blocking("run probe", move |pods| pods.exec(&id, &name, &exec));
    let session = begin.await.map_err(|error| error.chain())?;
    let process = session.process.clone();
    let reader = tokio::task::spawn_blocking(move || output(session));
    let waiter = {
        let process = process.clone();
        tokio::task::spawn_blocking(move || process.wait())
    };
    let Ok(waited) = timeout(at_most, waiter).await else {
        // Ended with its session; a failure means that it has ended by itself.
        let _ = process.kill(9);
        return Err(format!("command timed out after {} s", at_most.as_secs()));
    };
    let exit = waited.map_err(|e| e.to_string())?.map_err(|e| crate::error::chain(&e))?;
    if exit.code == 0 {
        return Ok(());
    }
    // Something it left behind may hold the pipe open; what came until then is enough.
    let said = timeout(Duration::from_secs(1), reader).await;
    let said = said.ok().and_then(Result::ok).unwrap_or_default();
    Err(format!("exit code {}: {}", exit.code, said.trim_end()))
}

/// The beginning of what the command writes. All of it is read, or the command would block.
fn output(mut session: pod::Session) -> String {
    use std::io::Read;
    let err = session.stderr.take();
    let drain = |file: Option<std::fs::File>| {
        let mut kept = Vec::new();
        let mut block = [0; 4096];
        let Some(mut file) = file else { return kept };
        while let Ok(count @ 1..) = file.read(&mut block) {
            let room = OUTPUT.saturating_sub(kept.len()).min(count);
            kept.extend_from_slice(&block[..room]);
        }
        kept
    };
    let mut text = std::thread::scope(|scope| {
        let errors = scope.spawn(|| drain(err));
        let mut text = drain(session.stdout.take());
        text.extend(errors.join().unwrap_or_default());
        text
    });
    text.truncate(OUTPUT);
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_need_the_same_result_in_a_row() {
        let mut counter = Counter::default();
        assert_eq!(counter.observe(false, 1, 3), None);
        assert_eq!(counter.observe(false, 1, 3), None);
        assert_eq!(counter.observe(true, 1, 3), Some(true));
        assert_eq!(counter.observe(false, 1, 3), None);
        assert_eq!(counter.observe(false, 1, 3), None);
        assert_eq!(counter.observe(false, 1, 3), Some(false));
        assert_eq!(counter.observe(false, 1, 3), Some(false));
        let mut slow = Counter::default();
        assert_eq!(slow.observe(true, 2, 1), None);
        assert_eq!(slow.observe(true, 2, 1), Some(true));
    }

    #[test]
    fn ports_are_found_by_number_and_by_name() {
        let container: Container = serde_json::from_value(
            serde_json::json!({"name": "c", "ports": [{"name": "http", "containerPort": 8000}]}),
        )
        .unwrap();
        assert_eq!(port(&container, &IntOrString::String("http".into())), Ok(8000));
        assert_eq!(port(&container, &IntOrString::Int(90)), Ok(90));
        assert!(port(&container, &IntOrString::String("nope".into())).is_err());
        assert!(port(&container, &IntOrString::Int(70_000)).is_err());
    }
}
