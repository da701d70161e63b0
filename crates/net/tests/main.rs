//! Integration tests against the real kernel. Each runs in a process of its own
//! inside a private network and mount namespace, so nothing of the host is
//! touched and nothing is left behind. Started as `shelf-door` the binary is the
//! door, as the product's is; hence our own `main` instead of the usual harness.
//! It understands what `cargo test` and nextest pass: names, `--exact`, `--list`.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod door;
mod life;
mod names;
mod pods;
mod policies;
mod scene;
mod services;

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use scene::Scene;

/// Far more than the slowest test takes.
const PATIENCE: Duration = Duration::from_secs(120);

type Test = (&'static str, fn(&Scene));

/// Lists tests with the module they live in.
macro_rules! tests {
    ($($file:ident: $($name:ident),+;)+) => {
        const TESTS: &[Test] = &[$($((concat!(stringify!($file), "::", stringify!($name)), $file::$name),)+)+];
    };
}

tests! {
    pods: root_two_pods_reach_each_other, root_attach_is_idempotent_and_remembered,
        root_the_world_is_reached_by_masquerade_with_its_mtu,
        root_retain_removes_what_a_crash_left, root_overlaps_are_refused,
        root_a_pod_may_have_a_user_namespace, root_foreign_source_addresses_are_dropped,
        root_many_pods_have_many_addresses;
    services: root_connections_go_round_the_backends, root_a_pod_reaches_itself_by_its_service,
        root_services_work_where_bridges_are_filtered,
        root_a_service_without_backends_refuses_at_once, root_the_host_reaches_services_and_node_ports,
        root_the_table_reads_as_meant, root_udp_services_work,
        root_a_host_without_default_route_reaches_services;
    policies: root_only_the_named_reach_a_protected_pod, root_a_pod_may_be_kept_from_leaving,
        root_policies_outlive_the_daemon_and_go_with_the_network;
    names: root_names_are_answered_over_udp_and_tcp, root_other_names_are_forwarded;
    door: root_a_dead_backend_costs_no_request, root_draining_waits_for_what_is_in_flight,
        root_the_last_copy_serves_until_its_successor_is_known, root_web_sockets_pass, root_large_bodies_stream_both_ways, root_errors_say_what_is_missing,
        root_a_taken_port_names_its_holder, root_pods_reach_the_front_door,
        root_backends_may_change_at_any_time;
    life: root_everything_outlives_the_daemon, root_a_restart_disturbs_nothing,
        root_a_dead_door_comes_back, root_a_new_build_takes_the_sockets_over,
        root_shutdown_leaves_nothing, root_a_failed_start_leaves_nothing;
}

fn main() -> ExitCode {
    net::door::run_if_asked();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("--in-scene") => return run_one(&arguments[1], &arguments[2]),
        Some("--daemon") => return life::daemon(&arguments[1], &arguments[2]),
        _ => {}
    }
    let flag = |name: &str| arguments.iter().any(|argument| argument == name);
    let filters: Vec<&String> =
        arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = TESTS.iter().filter(|(name, _)| {
        filters.is_empty()
            || filters.iter().any(|f| if flag("--exact") { *f == name } else { name.contains(*f) })
    });
    if flag("--list") {
        // Nothing here is ignored.
        for (name, _) in chosen.filter(|_| !flag("--ignored")) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let (mut passed, mut failed) = (0, Vec::new());
    for (name, _) in chosen.filter(|_| !flag("--ignored")) {
        let start = Instant::now();
        let good = in_scene(name);
        let word = if good { "ok" } else { "FAILED" };
        println!("test {name} ... {word} ({} ms)", start.elapsed().as_millis());
        if good { passed += 1 } else { failed.push(*name) }
    }
    println!("\ntest result: {passed} passed; {} failed {failed:?}\n", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a test in its own process and namespaces; whether it passed.
fn in_scene(name: &str) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new("unshare")
        .args(["--net", "--mount", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--in-scene", name])
        .arg(dir.path())
        .stdin(Stdio::null())
        .spawn()
        .expect("unshare (util-linux) starts");
    let end = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > end {
            println!("{name}: not done after {PATIENCE:?}");
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    if let Some(signal) = status.signal() {
        println!("{name}: ended by signal {signal}");
    }
    status.success()
}

fn run_one(name: &str, dir: &str) -> ExitCode {
    let Some((_, test)) = TESTS.iter().find(|(known, _)| *known == name) else {
        return ExitCode::FAILURE;
    };
    test(&Scene::new(dir.as_ref()));
    ExitCode::SUCCESS
}
