//! `shelf upgrade`: what is newer on the shelf; a rehearsal on a copy of the data; the upgrade.

use std::process::ExitCode;

use apps::{ImageNews, Rehearsal, Upgradable, UpgradeReport, UpgradesReport};
use http::Method;
use serde_json::json;

use super::{Outcome, confirm, decode, go, say, say_list};
use crate::app;
use crate::arguments::upgrade::Upgrade;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Lists, rehearses or upgrades.
pub(crate) async fn upgrade(global: &Global, options: &Upgrade) -> Outcome {
    let app = app::name(global)?;
    let client = global.client();
    let value = client.json(Method::GET, &format!("/v1/apps/{app}/upgrades"), None).await?;
    let all: UpgradesReport = decode(value)?;
    match &options.block {
        Some(block) => one(global, options, &all, block).await,
        None if options.check => check_all(global, &all).await,
        None => list(global, &all),
    }
}

fn list(global: &Global, all: &UpgradesReport) -> Outcome {
    if global.json {
        say(&json!({"schema": "shelf/upgrades/1", "result": all}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = all.blocks.iter().map(row).collect();
    if global.quiet {
        say_list(global, &[], &rows)?;
        return Ok(ExitCode::SUCCESS);
    }
    all.images.iter().flat_map(news).try_for_each(|line| say(&line))?;
    if rows.is_empty() && !all.images.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if rows.is_empty() {
        say(&format!("{} uses nothing from the shelf", all.app))?;
        return Ok(ExitCode::SUCCESS);
    }
    say_list(global, &["BLOCK", "RUNS", "NEWER", ""], &rows)?;
    if let Some(first) = all.blocks.iter().find(|one| !one.newer.is_empty()) {
        say(&format!(
            "rehearse on a copy of the data:  shelf upgrade {0} --check        then:  shelf upgrade {0}",
            first.block
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is new about an image of a registry. Only its own tests could say whether it is good, so
/// it is not rehearsed: the app file, or a go that says so, takes it.
fn news(one: &ImageNews) -> Vec<String> {
    let mut lines: Vec<String> = one.moved.iter().map(apps::Moved::line).collect();
    if let Some(newest) = one.newer.first() {
        lines.push(format!(
            "{}: newer than {}: {}; take it:  image = \"{newest}\"",
            one.block,
            one.image,
            one.newer.join(", ")
        ));
    }
    if lines.is_empty() {
        lines.push(format!("{}: {} is what its registry has", one.block, one.image));
    }
    lines
}

fn row(one: &Upgradable) -> Vec<String> {
    let newer: Vec<&str> = one.newer.iter().map(|newer| newer.version.as_str()).collect();
    let newer = if newer.is_empty() { "-".to_owned() } else { newer.join(", ") };
    let asks = if one.asks.is_some() { "patched: asks first" } else { "" };
    vec![one.block.clone(), format!("{} {}", one.module, one.version), newer, asks.to_owned()]
}

/// Rehearses the newest version of every block that has one.
async fn check_all(global: &Global, all: &UpgradesReport) -> Outcome {
    let mut good = true;
    let mut reports = Vec::new();
    for one in all.blocks.iter().filter(|one| !one.newer.is_empty()) {
        let report = ask(global, &one.block, None, true, false).await?;
        good &= report.rehearsal.good;
        if !global.json {
            told(&report.rehearsal).iter().try_for_each(|line| say(line))?;
        }
        reports.push(report);
    }
    if global.json {
        say(&json!({"schema": "shelf/rehearsals/1", "result": reports}).to_string())?;
    } else if reports.is_empty() {
        say(&format!("{}: nothing is newer on the shelf", all.app))?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn one(global: &Global, options: &Upgrade, all: &UpgradesReport, block: &str) -> Outcome {
    if let Some(image) = all.images.iter().find(|one| one.block == block) {
        if global.json {
            say(&json!({"schema": "shelf/upgrades/1", "result": all}).to_string())?;
        } else {
            news(image).iter().try_for_each(|line| say(line))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let found = all.blocks.iter().find(|one| one.block == block);
    if let Some(one) = found.filter(|one| one.newer.is_empty() && options.to.is_none()) {
        if global.json {
            say(&json!({"schema": "shelf/upgrades/1", "result": all}).to_string())?;
        } else {
            say(&format!(
                "nothing to do: {block} is {} {}, the newest on the shelf",
                one.module, one.version
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut patched = options.yes;
    if let Some(why) =
        found.and_then(|one| one.asks.as_ref()).filter(|_| !options.check && !patched)
    {
        let flag = format!(
            "look at it first:  shelf upgrade {block} --check        then:  shelf upgrade {block} --yes"
        );
        confirm::ask(&format!("{why}. upgrade it?"), "nothing was changed", &flag)?;
        patched = true;
    }
    let report = ask(global, block, options.to.as_deref(), options.check, patched).await?;
    print(global, &report, options.check)
}

async fn ask(
    global: &Global,
    block: &str,
    to: Option<&str>,
    check: bool,
    patched: bool,
) -> Result<UpgradeReport, Failure> {
    let folder = app::folder(global)?;
    let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
    let body = json!({"dir": folder, "block": block, "to": to, "check": check, "patched": patched});
    decode(go::verb(global, "upgrade", &body).await?)
}

fn print(global: &Global, report: &UpgradeReport, check: bool) -> Outcome {
    let rehearsal = &report.rehearsal;
    if global.json {
        say(&json!({"schema": "shelf/upgrade/1", "result": report}).to_string())?;
        return Ok(if rehearsal.good { ExitCode::SUCCESS } else { ExitCode::from(1) });
    }
    told(rehearsal).iter().try_for_each(|line| say(line))?;
    if !rehearsal.good {
        let message = format!(
            "{} did not become {} on a copy of its data; {} was not changed",
            rehearsal.block, rehearsal.to, report.app
        );
        return Err(Failure::new(Code::Failed, "upgrade/rehearsal", message)
            .hint("what it said is above; shelf upgrade --check tries it again"));
    }
    if check {
        say(&format!("that was on a copy; to do it:  shelf upgrade {}", rehearsal.block))?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = report.url.as_ref().map(|url| format!(" at {url}")).unwrap_or_default();
    say(&format!("{} is {} now{url}   {:.1} s", rehearsal.block, rehearsal.to, report.seconds))?;
    if let Some(snapshot) = &report.snapshot {
        say(&format!("  as it was before, as a new app:  shelf restore {snapshot} --as NAME"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a rehearsal said.
fn told(rehearsal: &Rehearsal) -> Vec<String> {
    let word = if rehearsal.good { "went well" } else { "failed" };
    let mut lines = vec![format!(
        "rehearsal {word}: {} {} -> {}   {:.1} s without it, {:.1} s in all",
        rehearsal.block, rehearsal.from, rehearsal.to, rehearsal.seconds, rehearsal.all_seconds
    )];
    let after = match rehearsal.bytes_after {
        Some(after) => format!("{} after", table::size(after)),
        None => "not said after".to_owned(),
    };
    lines.push(format!("  data: {} before, {after}", table::size(rehearsal.bytes_before)));
    lines.extend(rehearsal.wires.iter().map(|tried| {
        let word = if tried.answered { "answered its probe" } else { "did not answer its probe" };
        format!("  {}: {word}", tried.wire)
    }));
    if let Some(error) = &rehearsal.error {
        lines.extend(error.lines().map(|line| format!("  {line}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rehearsal_that_failed_says_why() {
        let rehearsal = Rehearsal {
            block: "db".into(),
            from: "postgres 15.1.0".into(),
            to: "17.1.0".into(),
            good: false,
            seconds: 3.0,
            all_seconds: 9.0,
            bytes_before: 2_000_000,
            bytes_after: None,
            wires: vec![apps::Tried { wire: "web.db".into(), answered: false }],
            error: Some("error[start/crash]: db stopped".into()),
        };
        let said = told(&rehearsal).join("\n");
        for wanted in ["failed", "2 MB before, not said after", "did not answer", "start/crash"] {
            assert!(said.contains(wanted), "no {wanted:?} in {said}");
        }
    }
}
