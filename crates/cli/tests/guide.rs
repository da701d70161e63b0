//! The guide to the command line, executed: every command in it does what the page shows.

use std::path::Path;

use crate::shell::Shell;

#[test]
fn every_command_in_the_guide_does_what_it_shows() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/command-line.md");
    let page = std::fs::read_to_string(page).unwrap();
    let shell = Shell::new();
    shell.write("web/Dockerfile", "FROM debian:stable-slim\nEXPOSE 8080\nCMD [\"bin/web\"]\n");
    let mut count = 0;
    for block in page.split("\n```console\n").skip(1) {
        let block = block.split_once("\n```").unwrap().0;
        for command in block.split("$ ").skip(1) {
            let (line, wanted) = command.split_once('\n').unwrap_or((command, ""));
            let said = shell.line(line.split("   # exits with ").next().unwrap());
            let all = format!("{}{}", said.out, said.err);
            assert!(
                alike(wanted.trim_end(), all.trim_end()),
                "$ {line}\n{all}\n--- the page has\n{wanted}"
            );
            let code = line.split("   # exits with ").nth(1).unwrap_or("0");
            assert_eq!(said.code.to_string(), code, "$ {line}\n{all}");
            count += 1;
        }
    }
    assert!(count >= 15, "only {count} commands were found");
}

/// Whether the page's text is what was said; a line `…` stands for any number of lines.
fn alike(page: &str, said: &str) -> bool {
    let (mut rest, mut anything) = (said.lines().peekable(), false);
    for line in page.lines() {
        if line.trim() == "…" {
            anything = true;
            continue;
        }
        loop {
            match rest.next() {
                Some(found) if found.trim_end() == line.trim_end() => break,
                Some(_) if anything => {}
                _ => return false,
            }
        }
        anything = false;
    }
    anything || rest.next().is_none()
}
