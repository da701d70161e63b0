//! Further processes in a running container.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;

use engine::{ContainerSpec, Error, ExecSpec, Stdio, User};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::Test;
use crate::world::{World, processes_in, text, until};

pub(crate) const TESTS: &[Test] = &[
    ("root_exec_runs_inside_and_returns_its_code", root_exec_runs_inside_and_returns_its_code),
    ("root_exec_is_confined_like_the_container", root_exec_is_confined_like_the_container),
    ("root_exec_with_a_terminal_is_a_terminal", root_exec_with_a_terminal_is_a_terminal),
    ("root_exec_ends_with_its_caller", root_exec_ends_with_its_caller),
];

fn shell(script: &str) -> ExecSpec {
    ExecSpec {
        args: ["sh", "-c", script].map(String::from).to_vec(),
        env: vec!["PATH=/bin".into()],
        ..ExecSpec::default()
    }
}

fn pipe() -> (File, OwnedFd) {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC).unwrap();
    (read.into(), write)
}

fn output(mut file: File) -> String {
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    text
}

fn root_exec_runs_inside_and_returns_its_code() {
    let world = World::new();
    for (id, sandbox) in [("host", world.sandbox("host")), ("ids", world.sandbox_with_ids("ids"))] {
        world.start(&sandbox, &world.script("c", "exec sleep 60"));
        let (out, out_write) = pipe();
        let (err, err_write) = pipe();
        let (in_read, in_write) = pipe();
        let stdio =
            Stdio { stdin: Some(in_read.into()), stdout: Some(out_write), stderr: Some(err_write) };
        let script = "cat; ls /proc/self/fd | tr '\\n' ' '; cat /proc/1/cmdline | tr '\\0' ' '; hostname; \
            cat /proc/self/cgroup | grep -E 'memory|pids'; readlink /proc/self/cwd; echo oops >&2; exit 42";
        let exec =
            sandbox.exec("c", &ExecSpec { cwd: "/tmp".into(), ..shell(script) }, stdio).unwrap();
        let mut input = File::from(in_write);
        input.write_all(b"typed\n").unwrap();
        drop(input);
        let (out, err) = (output(out), output(err));
        assert_eq!(exec.wait().unwrap().code, 42, "{id}: {out}{err}");
        assert_eq!(err, "oops\n");
        assert!(out.starts_with("typed\n0 1 2 3 sleep 60 host-"), "{id}: {out}");
        assert!(out.ends_with("/tmp\n"), "{id}: {out}");
        assert!(!out.contains("engine-test"), "{id}: {out}");

        let missing = ExecSpec { args: vec!["nothing".into()], ..shell("") };
        let error = sandbox.exec("c", &missing, Stdio::default()).unwrap_err();
        assert_eq!(error.exit_code(), 127, "{error:?}");
        assert!(matches!(
            sandbox.exec("x", &shell(""), Stdio::default()),
            Err(Error::Refused { .. })
        ));
        let exec = sandbox.exec("c", &shell("kill -9 $$"), Stdio::default()).unwrap();
        let exit = exec.wait().unwrap();
        assert_eq!((exit.code, exit.signal), (137, Some(9)));
        sandbox.kill("c", 9).unwrap();
        world.exit_of("c");
        assert!(sandbox.exec("c", &shell("true"), Stdio::default()).is_err());
        sandbox.destroy().unwrap();
    }
    world.check_nothing_is_left();
}

fn root_exec_is_confined_like_the_container() {
    let world = World::new();
    let sandbox = world.sandbox_with_ids("ids");
    let capabilities = vec!["CAP_CHOWN".to_owned()];
    let spec = ContainerSpec { capabilities, ..world.script("c", "sleep 60") };
    world.start(&sandbox, &spec);
    let (out, out_write) = pipe();
    let exec = ExecSpec {
        user: User { uid: 0, gid: 5, groups: vec![9] },
        capabilities: vec!["CAP_CHOWN".into(), "CAP_SYS_ADMIN".into()],
        ..shell("cat /proc/self/status /proc/self/uid_map; ls /etc; echo x > /dev/stdout")
    };
    let stdio = Stdio { stdout: Some(out_write), ..Stdio::default() };
    let exec = sandbox.exec("c", &exec, stdio).unwrap();
    let log = output(out);
    assert_eq!(exec.wait().unwrap().code, 0, "{log}");
    for line in [
        "CapBnd:\t0000000000000001",
        "CapPrm:\t0000000000000001",
        "CapEff:\t0000000000000001",
        "CapInh:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "Uid:\t0\t0\t0\t0",
        "Gid:\t5\t5\t5\t5",
        "passwd",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_exec_with_a_terminal_is_a_terminal() {
    let world = World::new();
    for sandbox in [world.sandbox("host"), world.sandbox_with_ids("ids")] {
        world.start(&sandbox, &world.script("c", "sleep 60"));
        let spec = ExecSpec {
            terminal: Some((33, 77)),
            user: User { uid: 1000, gid: 1000, groups: vec![] },
            ..shell(
                "stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo terminal; echo x > /dev/tty; read w; stty size; echo got $w; exit 5",
            )
        };
        let mut exec = sandbox.exec("c", &spec, Stdio::default()).unwrap();
        let mut terminal = File::from(exec.terminal.take().expect("a terminal"));
        let mut seen = String::new();
        let mut read_until = |terminal: &mut File, words: &str| {
            let mut buffer = [0; 512];
            while !seen.contains(words) {
                match terminal.read(&mut buffer) {
                    Ok(count) if count > 0 => seen += &String::from_utf8_lossy(&buffer[..count]),
                    _ => panic!("ended before {words:?}: {seen:?}"),
                }
            }
        };
        read_until(&mut terminal, "33 77");
        read_until(&mut terminal, "terminal\r\nx\r\n");
        exec.terminal = Some(terminal.try_clone().unwrap().into());
        exec.resize(20, 40).unwrap();
        terminal.write_all(b"word\n").unwrap();
        read_until(&mut terminal, "20 40");
        read_until(&mut terminal, "got word");
        assert_eq!(exec.wait().unwrap().code, 5);
        sandbox.destroy().unwrap();
    }
    world.check_nothing_is_left();
}

fn root_exec_ends_with_its_caller() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let spec = world.script("c", "echo up; sleep 60");
    world.start(&sandbox, &spec);
    until("the start", || text(&spec.log).contains("up"));
    let before = processes_in(&world.cgroup);
    let plain = sandbox.exec("c", &shell("exec sleep 50"), Stdio::default()).unwrap();
    let terminal = ExecSpec { terminal: Some((10, 10)), ..shell("exec sleep 50") };
    let terminal = sandbox.exec("c", &terminal, Stdio::default()).unwrap();
    assert_eq!(processes_in(&world.cgroup).len(), before.len() + 2);
    let killed = sandbox.exec("c", &shell("exec sleep 50"), Stdio::default()).unwrap();
    killed.kill(15).unwrap();
    assert_eq!(killed.wait().unwrap().signal, Some(15));
    drop(plain);
    drop(terminal);
    until("the ends", || processes_in(&world.cgroup) == before);
    assert!(world.events.try_recv().is_err(), "the container runs on");
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}
