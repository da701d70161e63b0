//! Whole builds without pods: what does not need `RUN`.

use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use image::rooted;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::*;

/// A store and a context in one directory.
struct World {
    dir: tempfile::TempDir,
    images: Images,
}

struct Done {
    built: Built,
    events: Vec<Event>,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = Images::open(&dir.path().join("images")).unwrap();
        let world = Self { dir, images };
        for (name, text) in files {
            world.write(name, text);
        }
        world
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.context().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }

    fn context(&self) -> PathBuf {
        self.dir.path().join("context")
    }

    fn request(&self) -> Request {
        Request {
            context: self.context(),
            name: Some("shelf.local/test/it".into()),
            ..Request::default()
        }
    }

    fn with(&self, request: &Request, run: &mut Runner<'_>) -> (Result<Built>, Vec<Event>) {
        let mut events = Vec::new();
        let mut progress = |event| events.push(event);
        // A shorter-lived closure is wanted than the one given.
        let mut run = |step: pod::Step<'_>| run(step);
        let built = build_with(&self.images, &mut run, request, &mut progress);
        (built, events)
    }

    fn build(&self, dockerfile: &str) -> Done {
        self.write("Dockerfile", dockerfile);
        let (built, events) = self.with(&self.request(), &mut no_pods);
        Done { built: built.unwrap_or_else(|error| panic!("{error} {error:?}")), events }
    }

    fn fails(&self, dockerfile: &str) -> String {
        self.write("Dockerfile", dockerfile);
        let (built, _) = self.with(&self.request(), &mut no_pods);
        let error = built.unwrap_err();
        let stage = self.dir.path().join("images/stage");
        assert_eq!(fs_err::read_dir(stage).unwrap().count(), 0, "scratch stays behind");
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error}: {source}")
    }

    /// `path mode uid gid` with content or target, for each file of the image.
    fn files(&self, image: &image::Image) -> Vec<String> {
        let root = self.images.mount(image, self.dir.path(), None, true).unwrap();
        let mut found = Vec::new();
        list(root.as_fd(), "", &mut found);
        found
    }
}

fn no_pods(step: pod::Step<'_>) -> Result<pod::Exit, pod::Error> {
    panic!("{:?} should not run", step.argv);
}

fn exit(code: i32) -> pod::Exit {
    pod::Exit {
        code,
        signal: None,
        oom_killed: false,
        finished_at: jiff::Timestamp::now(),
        unseen: false,
    }
}

fn list(dir: std::os::fd::BorrowedFd<'_>, path: &str, found: &mut Vec<String>) {
    for name in rooted::names(dir).unwrap() {
        let full = format!("{path}/{}", name.to_string_lossy());
        let stat = rustix::fs::statat(dir, &name, AtFlags::SYMLINK_NOFOLLOW).unwrap();
        let (mode, uid, gid) = (stat.st_mode & 0o7777, stat.st_uid, stat.st_gid);
        let open = |flags| rooted::below(dir, name.to_bytes(), flags, Mode::empty()).unwrap();
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                found.push(format!("{full}/ {mode:o} {uid} {gid}"));
                list(open(OFlags::RDONLY | OFlags::DIRECTORY).as_fd(), &full, found);
            }
            FileType::Symlink => {
                let link = rustix::fs::readlinkat(dir, &name, Vec::new()).unwrap();
                found.push(format!("{full} -> {}", link.to_string_lossy()));
            }
            _ => {
                let mut text = Vec::new();
                let mut file = std::fs::File::from(open(OFlags::RDONLY));
                std::io::Read::read_to_end(&mut file, &mut text).unwrap();
                let text = String::from_utf8_lossy(&text);
                found.push(format!("{full} {mode:o} {uid} {gid} {text}"));
            }
        }
    }
}

#[test]
fn root_copy_puts_files_where_docker_puts_them() {
    let world = World::new(&[
        ("a.txt", "a"),
        ("b.txt", "b"),
        ("src/x.py", "x"),
        ("src/sub/y.py", "y"),
        ("odd name", "o"),
    ]);
    fs_err::set_permissions(world.context().join("a.txt"), PermissionsExt::from_mode(0o600))
        .unwrap();
    std::os::unix::fs::chown(world.context().join("b.txt"), Some(1234), Some(1234)).unwrap();
    symlink("x.py", world.context().join("src/link")).unwrap();
    symlink("a.txt", world.context().join("to-a")).unwrap();
    let done = world.build(
        "FROM scratch\n\
         COPY a.txt /new\n\
         COPY a.txt /dir/\n\
         COPY b.txt /dir\n\
         COPY *.txt /wild/\n\
         COPY src /whole\n\
         COPY src/ /whole/again/\n\
         WORKDIR /app\n\
         COPY to-a .\n\
         COPY ./src/x.py lib/\n\
         COPY [\"odd name\", \"spaced name\"]\n\
         COPY <<EOF <<'RAW' /conf/\nhome=$PWD_\nEOF\n$kept\nRAW\n\
         COPY --chmod=711 --chown=7:8 a.txt /owned/file\n\
         COPY --chown=9 src/sub /nine/\n",
    );
    let files = world.files(&done.built.image);
    let expect = [
        "/app/ 755 0 0",
        "/app/lib/ 755 0 0",
        "/app/lib/x.py 644 0 0 x",
        "/app/spaced name 644 0 0 o",
        "/app/to-a 600 0 0 a",
        "/conf/ 755 0 0",
        "/conf/EOF 644 0 0 home=\n",
        "/conf/RAW 644 0 0 $kept\n",
        "/dir/ 755 0 0",
        "/dir/a.txt 600 0 0 a",
        "/dir/b.txt 644 0 0 b",
        "/new 600 0 0 a",
        "/nine/ 755 9 9",
        "/nine/y.py 644 9 9 y",
        "/owned/ 755 7 8",
        "/owned/file 711 7 8 a",
        "/whole/ 755 0 0",
        "/whole/again/ 755 0 0",
        "/whole/again/link -> x.py",
        "/whole/again/sub/ 755 0 0",
        "/whole/again/sub/y.py 644 0 0 y",
        "/whole/again/x.py 644 0 0 x",
        "/whole/link -> x.py",
        "/whole/sub/ 755 0 0",
        "/whole/sub/y.py 644 0 0 y",
        "/whole/x.py 644 0 0 x",
        "/wild/ 755 0 0",
        "/wild/a.txt 600 0 0 a",
        "/wild/b.txt 644 0 0 b",
    ];
    assert_eq!(files, expect, "{files:#?}");
    assert_eq!(done.built.image.config.config.working_dir, "/app");
}

#[test]
fn root_destinations_follow_the_image_s_links_inside_only() {
    let world = World::new(&[("f", "f"), ("tree/etc/x", "x")]);
    symlink("usr/bin", world.context().join("bin-link")).unwrap();
    symlink("/../../../tmp/out", world.context().join("out-link")).unwrap();
    // A base with links, made of a copied directory.
    fs_err::create_dir_all(world.context().join("base/usr/bin")).unwrap();
    symlink("usr/bin", world.context().join("base/bin")).unwrap();
    symlink("../../../../../../tmp", world.context().join("base/up")).unwrap();
    fs_err::create_dir(world.context().join("base/tmp")).unwrap();
    symlink("/nowhere", world.context().join("base/dangling")).unwrap();
    symlink("/usr/bin/target", world.context().join("base/file")).unwrap();
    let base = "FROM scratch\nCOPY base /\n";
    let done = world.build(&format!(
        "{base}COPY f /bin/\nCOPY f /up/made-by-build\nCOPY f /file\nCOPY f /../../x\n"
    ));
    let files = world.files(&done.built.image);
    for expect in [
        "/usr/bin/f 644 0 0 f",
        "/tmp/made-by-build 644 0 0 f",
        "/file 644 0 0 f",
        "/x 644 0 0 f",
        "/bin -> usr/bin",
    ] {
        assert!(files.iter().any(|file| file == expect), "{expect} in {files:#?}");
    }
    assert!(!std::path::Path::new("/tmp/made-by-build").exists());
    assert!(world.fails(&format!("{base}COPY f /dangling/x\n")).contains("link to nothing"));
    assert!(world.fails(&format!("{base}COPY f /f\nCOPY f /f/x\n")).contains("no directory"));
    assert!(
        world
            .fails(&format!("{base}COPY f /usr/bin\nCOPY tree /file\n"))
            .contains("link to nothing")
    );
    assert!(
        world
            .fails("FROM scratch\nCOPY f /etc\nCOPY tree /\n")
            .contains("take the place of a file")
    );
}

#[test]
fn root_sources_stay_in_the_context_and_dockerignore_holds() {
    let world = World::new(&[
        ("keep/a", "a"),
        ("drop/b", "b"),
        ("drop/but/c", "c"),
        ("secret.env", "s"),
        ("x.pyc", ""),
        (".dockerignore", "drop\n!drop/but\n*.env\n**/*.pyc\nDockerfile\n"),
    ]);
    fs_err::write(world.dir.path().join("host"), "host").unwrap();
    symlink("../host", world.context().join("keep/relative")).unwrap();
    symlink("../host", world.context().join("escape")).unwrap();
    let done = world.build("FROM scratch\nCOPY . /all/\n");
    let files = world.files(&done.built.image);
    let expect = [
        "/all/ 755 0 0",
        "/all/.dockerignore 644 0 0 drop\n!drop/but\n*.env\n**/*.pyc\nDockerfile\n",
        "/all/drop/ 755 0 0",
        "/all/drop/but/ 755 0 0",
        "/all/drop/but/c 644 0 0 c",
        "/all/escape -> ../host",
        "/all/keep/ 755 0 0",
        "/all/keep/a 644 0 0 a",
        "/all/keep/relative -> ../host",
    ];
    assert_eq!(files, expect, "{files:#?}");
    assert!(world.fails("FROM scratch\nCOPY escape /x\n").contains("not in the build context"));
    assert!(
        world.fails("FROM scratch\nCOPY ../host /x\n").contains("outside of the build context")
    );
    assert!(world.fails("FROM scratch\nCOPY secret.env /x\n").contains(".dockerignore"));
    assert!(world.fails("FROM scratch\nCOPY *.env /x/\n").contains("not in the build context"));
    assert!(
        world.fails("FROM scratch\nCOPY keep/a keep/relative /x\n").contains("must end with /")
    );
}

#[test]
fn root_stages_copy_from_each_other_with_owners() {
    let world =
        World::new(&[("f", "f"), ("passwd", "web:x:33:34::/srv:\n"), ("group", "www:x:50:\n")]);
    let dockerfile = "ARG WHERE=/opt\nFROM scratch AS build\nARG WHERE\nCOPY --chown=5:6 f ${WHERE}/made\n\
        FROM scratch AS unused\nRUN must not run\n\
        FROM scratch\nCOPY passwd group /etc/\nCOPY --from=build /opt /here\n\
        COPY --from=0 --chown=web:www /opt/m* /named/\n";
    let done = world.build(dockerfile);
    let files = world.files(&done.built.image);
    for expect in ["/here/made 644 5 6 f", "/named/made 644 33 50 f"] {
        assert!(files.iter().any(|file| file == expect), "{expect} in {files:#?}");
    }
    assert_eq!(done.built.steps, 7);
    let mut request = world.request();
    request.target = Some("build".into());
    request.args = vec![("WHERE".into(), "/srv".into())];
    let (built, _) = world.with(&request, &mut no_pods);
    assert!(world.files(&built.unwrap().image).contains(&"/srv/made 644 5 6 f".to_owned()));
    assert!(world.fails("FROM scratch\nCOPY --chown=nobody f /x\n").contains("no such user"));
    // An image of the store is as good as a stage.
    world.images.tag(&done.built.image, "shelf.local/test/base").unwrap();
    let done = world.build("FROM scratch\nCOPY --from=shelf.local/test/base /here/made /\n");
    assert_eq!(world.files(&done.built.image), ["/made 644 5 6 f"]);
}

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
fn root_add_unpacks_archives_and_only_those() {
    let world = World::new(&[("in/a", "a"), ("in/d/b", "b"), ("plain.gz", "\u{1f}no gzip")]);
    for (flag, name) in [("-cf", "x.tar"), ("-czf", "x.tar.gz")] {
        let made = Command::new("tar")
            .arg(flag)
            .arg(world.context().join(name))
            .arg("-C")
            .arg(world.context().join("in"))
            .args(["--owner=3", "--group=4", "."])
            .status()
            .unwrap();
        assert!(made.success());
    }
    let gz = fs_err::File::create(world.context().join("text.gz")).unwrap().into_parts().0;
    let mut gzip = Command::new("gzip").arg("-c").stdin(Stdio::piped()).stdout(gz).spawn().unwrap();
    std::io::Write::write_all(&mut gzip.stdin.take().unwrap(), b"just text").unwrap();
    gzip.wait().unwrap();
    let done = world.build("FROM scratch\nADD x.tar /plain\nADD x.tar.gz /gz/\nADD text.gz plain.gz /files/\nCOPY x.tar /copied\n");
    let files = world.files(&done.built.image);
    let names: Vec<&str> = files.iter().map(|file| file.split(' ').next().unwrap()).collect();
    for name in [
        "/plain/a",
        "/plain/d/b",
        "/gz/a",
        "/gz/d/b",
        "/files/text.gz",
        "/files/plain.gz",
        "/copied",
    ] {
        assert!(names.contains(&name), "{name} in {names:#?}");
    }
    assert!(files.contains(&"/gz/d/b 644 3 4 b".to_owned()));
    // An archive that leads out is refused whole.
    let evil = Command::new("tar")
        .args(["-cPf"])
        .arg(world.context().join("evil.tar"))
        .arg("/etc/hostname")
        .status()
        .unwrap();
    assert!(evil.success());
    assert!(world.fails("FROM scratch\nADD evil.tar /x/\n").contains("escapes the root"));
    world.write("x.tar.xz", "\u{fd}7zXZ");
    assert!(world.fails("FROM scratch\nADD https://example.com/x /x\n").contains("curl"));
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
