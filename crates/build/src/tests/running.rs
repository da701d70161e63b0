//! `RUN`, the cache, settings and errors.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::*;

#[test]
fn root_nothing_changed_means_the_same_digest_at_once() {
    let world = World::new(&[("src/a", "a"), ("other", "o")]);
    let dockerfile = "FROM scratch AS one\nCOPY src /src\nFROM scratch\nENV A=b\nWORKDIR /w\nCOPY --from=one /src .\nCMD [\"x\"]\n";
    let first = world.build(dockerfile);
    assert!(first.built.cached_steps < first.built.steps);
    // New times, a file that is not copied, another order of the directory: still the same.
    world.write("src/a", "a");
    world.write("other", "changed");
    let start = Instant::now();
    let second = world.build(dockerfile);
    let time = start.elapsed();
    assert_eq!(second.built.digest, first.built.digest);
    assert_eq!(second.built.cached_steps, second.built.steps);
    assert!(second.events.iter().all(|event| matches!(event, Event::Step { cached: true, .. })));
    assert!(time < Duration::from_millis(100), "{time:?}");
    // A byte, a mode, and the name count.
    world.write("src/a", "b");
    let third = world.build(dockerfile);
    assert_ne!(third.built.digest, first.built.digest);
    fs_err::set_permissions(world.context().join("src/a"), PermissionsExt::from_mode(0o755))
        .unwrap();
    assert_ne!(world.build(dockerfile).built.digest, third.built.digest);
    // After a restart the cache is there too, and asking for none makes everything again.
    world.write("src/a", "a");
    fs_err::set_permissions(world.context().join("src/a"), PermissionsExt::from_mode(0o644))
        .unwrap();
    let World { dir, images } = world;
    drop(images);
    let images = Images::open(&dir.path().join("images")).unwrap();
    let world = World { dir, images };
    assert_eq!(world.build(dockerfile).built.digest, first.built.digest);
    let request = Request { no_cache: true, ..world.request() };
    let (_, events) = world.with(&request, &mut no_pods);
    let copied = |event: &&Event| matches!(event, Event::Step { text, cached: false, .. } if text.starts_with("COPY"));
    assert_eq!(events.iter().filter(copied).count(), 2);
}

#[test]
fn root_settings_follow_docker_s_rules() {
    let world = World::new(&[]);
    let done = world.build(
        "FROM scratch AS base\nENTRYPOINT [\"base\"]\nCMD [\"base-arg\"]\nENV A=1 B=2\nFROM base\n\
         ENV A=3 C=$A D=\"x y\"\nENV E $C and ${D}\nARG F=f\nARG G\nLABEL g=$G f=${F:+set}\n\
         ENTRYPOINT [\"mine\"]\nEXPOSE 80 53/UDP 8000-8002\nVOLUME [\"/data\"]\nVOLUME /a /b\n\
         USER web:www\nSTOPSIGNAL SIGQUIT\nSHELL [\"/bin/bash\", \"-c\"]\nHEALTHCHECK --retries=2 CMD curl x\n\
         ONBUILD COPY x /x\nMAINTAINER me\n",
    );
    let config = &done.built.image.config.config;
    assert_eq!(config.env, ["A=3", "B=2", "C=1", "D=x y", "E=1 and x y"]);
    assert_eq!(config.entrypoint, Some(vec!["mine".to_owned()]));
    assert_eq!(config.cmd, None, "arguments of the base's program go with it");
    let ports: Vec<&str> = config.exposed_ports.keys().map(String::as_str).collect();
    assert_eq!(ports, ["53/udp", "80/tcp", "8000/tcp", "8001/tcp", "8002/tcp"]);
    assert_eq!(config.volumes.keys().collect::<Vec<_>>(), ["/a", "/b", "/data"]);
    assert_eq!((config.labels["g"].as_str(), config.labels["f"].as_str()), ("", "set"));
    assert_eq!(config.healthcheck.as_ref().unwrap().test, ["CMD-SHELL", "curl x"]);
    assert_eq!(config.on_build, ["COPY x /x"]);
    assert_eq!(done.built.image.config.author.as_deref(), Some("me"));
    // CMD of the same stage stays; the shell form goes through the shell of the stage.
    let done = world.build("FROM scratch\nCMD run me\nENTRYPOINT [\"e\"]\nSHELL [\"sh2\"]\nFROM scratch\nSHELL [\"/b\", \"-c\"]\nCMD a  b\n");
    assert_eq!(
        done.built.image.config.config.cmd,
        Some(vec!["/b".into(), "-c".into(), "a  b".into()])
    );
    let done = world.build("FROM scratch\nCMD [\"c\"]\nENTRYPOINT [\"e\"]\n");
    assert_eq!(done.built.image.config.config.cmd, Some(vec!["c".into()]));
    for (line, why) in [
        ("VOLUME /", "hide"),
        ("VOLUME /proc/x", "hide"),
        ("VOLUME x", "absolute"),
        ("VOLUME [\"\"]", "absolute"),
        ("VOLUME /a/../../b", "leaves"),
        ("EXPOSE 0", "no port"),
        ("EXPOSE 70000", "no port"),
        ("EXPOSE 80/icmp", "no port"),
        ("STOPSIGNAL 99", "no signal"),
        ("STOPSIGNAL NOPE", "no signal"),
        ("USER a b", "user"),
        ("ENV =x", "key=value"),
        ("COPY --chmod=rwx a /b", "octal"),
        ("WORKDIR $none", "empty"),
    ] {
        let error = world.fails(&format!("FROM scratch\n{line}\n"));
        assert!(error.contains(why) && error.contains("Dockerfile:2"), "{line}: {error}");
    }
}

#[test]
fn root_onbuild_runs_in_the_next_build() {
    let world = World::new(&[("x", "x")]);
    let base = world.build("FROM scratch\nONBUILD ENV T=1\nONBUILD COPY x /trigger\n");
    world.images.tag(&base.built.image, "base:1").unwrap();
    let done = world.build("FROM base:1\nENV U=2\n");
    assert_eq!(done.built.image.config.config.env, ["T=1", "U=2"]);
    assert!(done.built.image.config.config.on_build.is_empty());
    assert_eq!(world.files(&done.built.image), ["/trigger 644 0 0 x"]);
}

#[test]
fn root_a_run_step_gets_its_environment_and_leaves_no_trace_of_it() {
    let world = World::new(&[]);
    fs_err::write(world.dir.path().join("bundle"), "CA").unwrap();
    world.write(
        "Dockerfile",
        "FROM scratch\nENV A=env PATH=/p\nARG A=arg\nARG B=$A\nWORKDIR /w\nSHELL [\"/sh\", \"-x\"]\nRUN say hi\n\
         RUN [\"exec\", \"form\"]\nRUN <<EOF\nline 1\nEOF\nRUN cat <<X > /f\ntext\nX\nRUN <<S\n#!/usr/bin/env python3\nS\n",
    );
    let mut request = world.request();
    request.ca_bundle = Some(world.dir.path().join("bundle"));
    request.args = vec![("http_proxy".into(), "http://p".into())];
    let mut steps = Vec::new();
    let mut run = |step: pod::Step<'_>| {
        let env: BTreeMap<_, _> = step.env.iter().cloned().collect();
        assert_eq!(env["A"], "env");
        assert_eq!(env["B"], "env");
        assert_eq!(env["PATH"], "/p");
        assert_eq!(env["HOME"], "/");
        assert_eq!(env["http_proxy"], "http://p");
        assert_eq!(env["PIP_CERT"], "/run/build-ca/bundle.crt");
        assert_eq!(step.cwd, Path::new("/w"));
        let (host, inside, read_only) = &step.binds[0];
        assert_eq!((inside.as_path(), *read_only), (Path::new("/run/build-ca"), true));
        assert_eq!(fs_err::read_to_string(host.join("bundle.crt")).unwrap(), "CA");
        if let Some((host, inside, _)) = step.binds.get(1) {
            assert_eq!(inside, Path::new("/run/build-script"));
            let script = host.join("run");
            assert!(fs_err::read_to_string(&script).unwrap().starts_with("#!/usr"));
            assert_eq!(fs_err::metadata(&script).unwrap().mode() & 0o7777, 0o755);
        }
        // What a pod leaves behind to mount on, and one change of the step.
        let upper = step.scratch.join("upper");
        for stub in ["run/build-ca", "proc", "etc"] {
            fs_err::create_dir_all(upper.join(stub)).unwrap();
        }
        fs_err::write(upper.join("etc/resolv.conf"), "").unwrap();
        fs_err::write(upper.join(format!("made{}", steps.len())), "m").unwrap();
        (step.output)(b"one\ntwo\r\npart");
        (step.output)(b"ial\n10%\r20%\nlast");
        steps.push(step.argv.clone());
        Ok(exit(0))
    };
    let (built, events) = world.with(&request, &mut run);
    let built = built.unwrap();
    let argv: Vec<Vec<&str>> =
        steps.iter().map(|argv| argv.iter().map(String::as_str).collect()).collect();
    assert_eq!(
        argv,
        [
            vec!["/sh", "-x", "say hi"],
            vec!["exec", "form"],
            vec!["/sh", "-x", "line 1\n"],
            vec!["/sh", "-x", "cat <<X > /f\ntext\nX\n"],
            vec!["/run/build-script/run"],
        ]
    );
    let files = world.files(&built.image);
    assert_eq!(
        files,
        [
            "/made0 644 0 0 m",
            "/made1 644 0 0 m",
            "/made2 644 0 0 m",
            "/made3 644 0 0 m",
            "/made4 644 0 0 m",
            "/w/ 755 0 0"
        ]
    );
    let lines: Vec<&Event> =
        events.iter().filter(|event| matches!(event, Event::Output(_))).take(5).collect();
    let expect =
        ["one", "two", "partial", "20%", "last"].map(|line| Event::Output(line.to_owned()));
    assert_eq!(lines, expect.iter().collect::<Vec<_>>());
    let text = serde_json::to_string(&built.image.config).unwrap();
    assert!(!text.contains("build-ca") && !text.contains("http://p"), "{text}");
    // All cached now; a proxy or a CA does not matter, an argument does.
    request.args.clear();
    request.ca_bundle = None;
    assert_eq!(world.with(&request, &mut no_pods).0.unwrap().digest, built.digest);
    request.args = vec![("B".into(), "other".into())];
    let mut count = 0;
    let (built, _) = world.with(&request, &mut |step| {
        count += 1;
        fs_err::create_dir_all(step.scratch.join("upper")).unwrap();
        Ok(exit(0))
    });
    built.unwrap();
    assert_eq!(count, 5, "every RUN sees B");
}

#[test]
fn root_a_failed_or_cancelled_step_leaves_nothing() {
    let world = World::new(&[]);
    world.write("Dockerfile", "FROM scratch\n\nRUN apt-get install -y \\\n  hello\n");
    let request = world.request();
    let mut fail = |step: pod::Step<'_>| {
        fs_err::create_dir_all(step.scratch.join("upper/etc")).unwrap();
        for line in 0..50 {
            (step.output)(format!("line {line}\n").as_bytes());
        }
        Ok(exit(100))
    };
    let error = world.with(&request, &mut fail).0.unwrap_err().to_string();
    assert!(error.contains("Dockerfile:3: RUN apt-get install -y hello"), "{error}");
    assert!(
        error.contains("exit code 100") && error.contains("line 49") && !error.contains("line 29")
    );
    assert!(error.contains("try: put `apt-get update &&`"), "{error}");
    let cancel = request.cancel.clone();
    let mut stop = |_: pod::Step<'_>| {
        cancel.store(true, Ordering::Relaxed);
        Ok(exit(137))
    };
    assert!(matches!(world.with(&request, &mut stop).0, Err(Error::Cancelled)));
    assert!(world.images.list().unwrap().is_empty());
    for dir in ["stage", "layers", "blobs/sha256", "records"] {
        assert_eq!(
            fs_err::read_dir(world.dir.path().join("images").join(dir)).unwrap().count(),
            0,
            "{dir}"
        );
    }
}

#[test]
fn root_equal_steps_of_two_builds_run_once() {
    let world = World::new(&[("Dockerfile", "FROM scratch\nRUN slow\n")]);
    let count = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut run = |step: pod::Step<'_>| {
                    count.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(50));
                    fs_err::create_dir_all(step.scratch.join("upper/made")).unwrap();
                    Ok(exit(0))
                };
                world.with(&world.request(), &mut run).0.unwrap();
            });
        }
    });
    assert_eq!(count.load(Ordering::Relaxed), 1);
}

#[test]
fn errors_say_where_and_what_to_do() {
    let world = World::new(&[]);
    let (built, _) = world.with(&world.request(), &mut no_pods);
    assert!(built.unwrap_err().to_string().contains("there is no Dockerfile"));
    let error = world.fails("FROM redis:7\n");
    assert!(
        error.contains("Dockerfile:1") && error.contains("redis:7") && error.contains("debian:12"),
        "{error}"
    );
    let error = world.fails("FROM scratch\nRUNN x\nCOPY a\n");
    assert!(error.contains("Dockerfile:2:") && error.contains("Dockerfile:3:"), "{error}");
    let mut request = world.request();
    request.name = Some("Bad Name".into());
    assert!(world.with(&request, &mut no_pods).0.is_err());
}
