//! `COPY` and `ADD`: where files land, what stays outside.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use super::*;

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
