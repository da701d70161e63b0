//! What a container may not: exact capability sets, seccomp, masks, descriptors, devices.

use engine::{ContainerSpec, Seccomp, User};

use crate::Test;
use crate::world::World;

pub(crate) const TESTS: &[Test] = &[
    (
        "root_capabilities_are_exactly_those_asked_for",
        root_capabilities_are_exactly_those_asked_for,
    ),
    ("root_paths_are_masked_and_read_only", root_paths_are_masked_and_read_only),
    ("root_no_descriptor_of_the_host_gets_in", root_no_descriptor_of_the_host_gets_in),
    ("root_forbidden_calls_are_refused", root_forbidden_calls_are_refused),
    ("root_foreign_devices_stay_shut", root_foreign_devices_stay_shut),
    ("root_a_read_only_root_is_read_only", root_a_read_only_root_is_read_only),
];

const STATUS: &str =
    "grep -E '^(Cap|NoNewPrivs|Seccomp:|Uid|Gid|Groups)' /proc/self/status | tr '\\t' ' '";

fn root_capabilities_are_exactly_those_asked_for() {
    let world = World::new();
    for (sandbox, name) in [(world.sandbox("host"), "host"), (world.sandbox_with_ids("ids"), "ids")]
    {
        let expect = |spec: ContainerSpec, bounding: u64, held: u64| {
            let (exit, log) = world.run(&sandbox, &spec);
            assert_eq!(exit.code, 0, "{name}: {log}");
            for (set, value) in [
                ("CapInh", 0),
                ("CapPrm", held),
                ("CapEff", held),
                ("CapBnd", bounding),
                ("CapAmb", 0),
            ] {
                assert!(log.contains(&format!("{set}: {value:016x}")), "{name} {set}: {log}");
            }
            log
        };
        let log = expect(world.script("none", STATUS), 0, 0);
        assert!(log.contains("NoNewPrivs: 1") && log.contains("Seccomp: 2"), "{log}");
        assert!(log.contains("Uid: 0 0 0 0"), "{log}");

        let capabilities = vec!["CAP_CHOWN".to_owned(), "NET_BIND_SERVICE".to_owned()];
        let set = 1 | 1 << 10;
        let two =
            ContainerSpec { capabilities: capabilities.clone(), ..world.script("two", STATUS) };
        expect(two, set, set);

        let user = User { uid: 1000, gid: 1001, groups: vec![7, 8] };
        let plain = ContainerSpec {
            user,
            capabilities,
            no_new_privs: false,
            seccomp: Seccomp::Unconfined,
            ..world.script("user", STATUS)
        };
        let log = expect(plain, set, 0);
        assert!(log.contains("NoNewPrivs: 0") && log.contains("Seccomp: 0"), "{log}");
        assert!(log.contains("Uid: 1000 1000 1000 1000"), "{log}");
        assert!(log.contains("Gid: 1001 1001 1001 1001"), "{log}");
        assert!(log.contains("Groups: 7 8"), "{log}");
        sandbox.destroy().unwrap();
    }
    world.check_nothing_is_left();
}

fn root_paths_are_masked_and_read_only() {
    let world = World::new();
    for (id, sandbox) in [("host", world.sandbox("host")), ("ids", world.sandbox_with_ids("ids"))] {
        let script = "\
            for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/latency_stats; do \
              [ -e $f ] && echo $f $(cat $f | wc -c) $(stat -c %t:%T $f); done; \
            for d in /proc/acpi /proc/scsi /sys/firmware; do [ -d $d ] && echo $d $(ls $d | wc -l); done; \
            for w in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/default_smp_affinity; do \
              (echo x > $w) 2>/dev/null && echo WROTE $w; done; \
            (echo x > /sys/fs/cgroup/x) 2>/dev/null && echo WROTE cgroup; \
            echo null $(cat /dev/null | wc -c) full $(echo x 2>/dev/null >/dev/full || echo full) \
              zero $(head -c 3 /dev/zero | wc -c); \
            ls /dev | sort | tr '\\n' ' '; echo; \
            grep -c . /proc/self/mountinfo";
        let (exit, log) = world.run(&sandbox, &world.script("c", script));
        assert_eq!(exit.code, 0, "{id}: {log}");
        assert!(!log.contains("WROTE"), "{id}: {log}");
        assert!(log.contains("/proc/keys 0 1:3"), "{id}: {log}");
        assert!(log.contains("/proc/interrupts 0 1:3"), "{id}: {log}");
        for line in log.lines().filter(|line| line.starts_with('/')) {
            assert_eq!(line.split(' ').nth(1), Some("0"), "{id}: {line}");
        }
        assert!(log.contains("null 0 full full zero 3"), "{id}: {log}");
        assert!(
            log.contains(
                "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
            ),
            "{id}: {log}"
        );
        sandbox.destroy().unwrap();
    }
    world.check_nothing_is_left();
}

fn root_no_descriptor_of_the_host_gets_in() {
    let world = World::new();
    // A descriptor that leaks from the daemon itself.
    let leak = std::fs::File::open("/etc/passwd").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let sandbox = world.sandbox("a");
    // ls itself opens the folder as 3.
    let script = "ls /proc/self/fd | tr '\\n' ' '; echo; readlink /proc/self/cwd; readlink /proc/self/root; \
        cat /proc/self/cgroup";
    let (exit, log) = world.run(&sandbox, &world.script("c", script));
    assert_eq!(exit.code, 0);
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some("0 1 2 3 "), "{log}");
    assert_eq!((lines.next(), lines.next()), (Some("/"), Some("/")), "{log}");
    // Inside, the container's cgroup is the root of all (memory, cpu and pids at least).
    let ours =
        |line: &&str| line.contains("memory") || line.contains("pids") || line.starts_with("0::");
    for line in lines.filter(ours) {
        assert!(line.ends_with(":/"), "{line}");
    }
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_forbidden_calls_are_refused() {
    let world = World::new();
    let sandbox = world.sandbox_with_ids("a");
    let script = "unshare -U true 2>/dev/null && echo BAD unshare; \
        unshare -m true 2>/dev/null && echo BAD unshare -m; \
        mount -t tmpfs x /tmp 2>/dev/null && echo BAD mount; \
        mknod /tmp/n c 1 3 2>/dev/null && echo BAD mknod; \
        mknod /tmp/fifo p || echo BAD fifo; \
        hostname other 2>/dev/null && echo BAD hostname; \
        echo end";
    let capabilities = vec!["CAP_MKNOD".to_owned(), "CAP_SYS_CHROOT".to_owned()];
    let spec = ContainerSpec { capabilities, ..world.script("c", script) };
    let (_, log) = world.run(&sandbox, &spec);
    assert_eq!(log, "end\n");
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

/// Even with everything else open: the cgroup has the last word.
fn root_foreign_devices_stay_shut() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let disk = std::fs::read_dir("/sys/class/block").unwrap().next().expect("a disk").unwrap();
    let numbers = std::fs::read_to_string(disk.path().join("dev")).unwrap().replace(':', " ");
    let script = format!(
        "mknod /dev/mine c 1 5 && head -c 1 /dev/mine | wc -c; mknod /dev/disk b {} && echo made; \
         head -c 1 /dev/disk 2>&1 | grep -c permitted",
        numbers.trim()
    );
    let spec = ContainerSpec {
        seccomp: Seccomp::Unconfined,
        capabilities: vec!["CAP_MKNOD".to_owned()],
        ..world.script("c", &script)
    };
    let (_, log) = world.run(&sandbox, &spec);
    assert_eq!(log, "1\nmade\n1\n", "{log}");
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}

fn root_a_read_only_root_is_read_only() {
    let world = World::new();
    let sandbox = world.sandbox("a");
    let script =
        "touch /x 2>/dev/null && echo BAD; touch /dev/shm/x && echo shm; touch /tmp/x && echo tmp";
    let tmpfs = engine::Mount {
        destination: "/tmp".into(),
        kind: engine::MountKind::Tmpfs { size_bytes: 1 << 20, mode: 0o1777 },
        read_only: false,
        idmap: false,
    };
    let spec =
        ContainerSpec { readonly_root: true, mounts: vec![tmpfs], ..world.script("c", script) };
    let (_, log) = world.run(&sandbox, &spec);
    assert_eq!(log, "shm\ntmp\n");
    assert!(!world.dir.join("root/x").exists());
    sandbox.destroy().unwrap();
    world.check_nothing_is_left();
}
