//! The syntax, piece by piece, and noise.

use proptest::prelude::*;

use super::*;

fn one(text: &str) -> Kind {
    let mut instructions = parse(text).unwrap();
    assert_eq!(instructions.len(), 1, "{instructions:?}");
    instructions.remove(0).kind
}

fn problems(text: &str) -> Vec<(usize, String)> {
    let problems = parse(text).unwrap_err();
    problems.into_iter().map(|problem| (problem.line, problem.to_string())).collect()
}

#[test]
fn continuations_comments_and_the_escape_directive() {
    let Kind::Run(run) = one("\n# c\nRUN a \\\n  # inside\n\n  b \\  \n c\n# end\n") else {
        panic!()
    };
    assert_eq!(run.command, Command::Shell("a   b  c".to_owned()));
    let Kind::Run(run) = one("# escape=`\nRUN dir c:\\ `\n  x") else { panic!() };
    assert_eq!(run.command, Command::Shell("dir c:\\   x".to_owned()));
    let lines: Vec<usize> =
        parse("FROM a\r\n\r\nRUN b \\\r\n c\r\nENV d=e").unwrap().iter().map(|i| i.line).collect();
    assert_eq!(lines, [1, 3, 5]);
}

#[test]
fn here_documents() {
    let Kind::Run(run) = one("RUN <<EOF\necho $a\n  b\nEOF\n") else { panic!() };
    assert_eq!(run.heredocs[0].content, "echo $a\n  b\n");
    assert!(run.heredocs[0].expand);
    let Kind::Run(run) = one("RUN cat <<-'E1' > x; cat <<\"E2\"\n\tone\n\tE1\ntwo\nE2") else {
        panic!()
    };
    let contents: Vec<_> =
        run.heredocs.iter().map(|h| (h.name.as_str(), h.content.as_str(), h.expand)).collect();
    assert_eq!(contents, [("E1", "one\n", false), ("E2", "two\n", false)]);
    let Kind::Copy(copy) = one("COPY <<a.conf b /etc/\nx=1\na.conf\n") else { panic!() };
    assert_eq!((copy.heredocs[0].name.as_str(), copy.sources), ("a.conf", vec!["b".to_owned()]));
    // Not a here-document: a here-string, a quoted one, arithmetic.
    let Kind::Run(run) = one(r#"RUN cat <<<x; echo "<<EOF"; echo $((1 << 2))"#) else { panic!() };
    assert!(run.heredocs.is_empty());
    assert_eq!(problems("FROM a\nRUN <<EOF\nx\n")[0].0, 2);
}

#[test]
fn both_forms_of_commands() {
    assert_eq!(
        one(r#"CMD ["a", "b c"]"#),
        Kind::Cmd(Command::Exec(vec!["a".into(), "b c".into()]))
    );
    // As Docker: what is no JSON is for the shell.
    assert_eq!(one("CMD ['a']"), Kind::Cmd(Command::Shell("['a']".into())));
    assert_eq!(one("entrypoint x  y"), Kind::Entrypoint(Command::Shell("x  y".into())));
    let Kind::Healthcheck(check) = one("HEALTHCHECK --interval=1m30s --retries=3 CMD curl x")
    else {
        panic!()
    };
    assert_eq!((check.interval, check.retries), (90_000_000_000, 3));
    assert!(matches!(
        one("HEALTHCHECK NONE"),
        Kind::Healthcheck(Healthcheck { command: None, .. })
    ));
}

#[test]
fn pairs_and_options() {
    let Kind::Env(env) = one(r#"ENV a=1 b="x y" c=x\ y d='$e'"#) else { panic!() };
    let env: Vec<_> = env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(env, [("a", "1"), ("b", "\"x y\""), ("c", "x\\ y"), ("d", "'$e'")]);
    assert_eq!(one("ENV a b  c=d"), Kind::Env(vec![("a".into(), "b  c=d".into())]));
    assert_eq!(
        one("ARG a b=c"),
        Kind::Arg(vec![("a".into(), None), ("b".into(), Some("c".into()))])
    );
    let Kind::Copy(copy) = one("COPY --from=build --chown=a:b --chmod=755 --link x y /z/") else {
        panic!()
    };
    assert_eq!(
        (copy.from.as_deref(), copy.chown.as_deref(), copy.chmod.as_deref()),
        (Some("build"), Some("a:b"), Some("755"))
    );
    let Kind::Copy(copy) = one(r#"ADD ["a b", "c"]"#) else { panic!() };
    assert!(copy.add && copy.sources == ["a b"] && copy.to == "c");
    let Kind::From { image, name, platform } = one("FROM --platform=$X debian:12 as Build-1")
    else {
        panic!()
    };
    assert_eq!(
        (image.as_str(), name.as_deref(), platform.as_deref()),
        ("debian:12", Some("build-1"), Some("$X"))
    );
}

#[test]
fn all_errors_at_once_with_line_and_help() {
    let found = problems(
        "FROM a b c\nRUNN x\nENV a=\"b\nCOPY x\nRUN --security=insecure x\nRUN --network=host x\n\
         ADD https://a/b /c\nHEALTHCHECK CMD\nONBUILD FROM x\nSHELL bash\nHEALTHCHECK --interval=5x CMD a\nENV x\n",
    );
    let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, (1..=12).collect::<Vec<_>>(), "{found:#?}");
    assert!(found[1].1.contains("did you mean RUN?"));
    assert!(found[6].1.contains("curl"));
    assert!(problems("# syntax=evil/frontend\nFROM a")[0].1.contains("never run"));
    assert!(parse("# syntax=docker/dockerfile:1.7\nFROM a").is_ok());
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC{0,200}|((FROM|RUN|COPY|ENV|ADD|HEALTHCHECK|ONBUILD) [\\[\\]\"'\\\\<>=$a-zE\\n -]{0,40}\\n){0,6}") {
        match parse(&text) {
            Ok(instructions) => {
                let lines = text.split('\n').count();
                prop_assert!(instructions.iter().all(|i| i.line >= 1 && i.line <= lines));
            }
            Err(problems) => prop_assert!(!problems.is_empty()),
        }
    }
}
