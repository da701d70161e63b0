//! `shelf undo --go`: the last go taken back. Says first what comes back and what is lost, and asks.

use std::process::ExitCode;

use apps::{Moment, UndoPlan, UndoReport};
use http::Method;
use serde_json::json;

use super::{Outcome, confirm, decode, go, say};
use crate::app;
use crate::arguments::edits::Undo;
use crate::error::{Code, Failure};
use crate::settings::Global;
use crate::table;

/// Takes back the last go of the app meant.
pub(crate) async fn undo_go(global: &Global, options: &Undo) -> Outcome {
    let app = app::name(global)?;
    let client = global.client();
    let value = client.json(Method::GET, &format!("/v1/apps/{app}/undo-go"), None).await?;
    let plan: UndoPlan = decode(value)?;
    if options.data && plan.data.is_none() {
        return Err(Failure::new(
            Code::NotFound,
            "undo/snapshot",
            format!(
                "no snapshot was made when release {} was left: that go touched no data, or its snapshot is not kept any more",
                plan.before.release
            ),
        )
        .hint("code and wiring alone:  shelf undo --go        a backup:  shelf backup list"));
    }
    if options.dry_run {
        if global.json {
            say(&json!({"schema": "shelf/undo-plan/1", "result": plan}).to_string())?;
        } else {
            told(&plan, options.data).iter().try_for_each(|line| say(line))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    // What is asked about is on stderr, so that stdout has the result alone.
    for line in told(&plan, options.data) {
        eprintln!("{line}");
    }
    if !options.yes {
        let data = if options.data { " --data" } else { "" };
        confirm::ask(
            "take it back?",
            "nothing was taken back",
            &format!("shelf undo --go{data} --yes"),
        )?;
    }
    let body = json!({"app": app, "data": options.data, "expect": plan.running.release});
    let report: UndoReport = decode(go::verb(global, "undo-go", &body).await?)?;
    if global.json {
        say(&json!({"schema": "shelf/undo-go/1", "result": report}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let url = report.url.map(|url| format!(" at {url}")).unwrap_or_default();
    say(&format!(
        "{} is what it was in release {}{url}   {:.1} s",
        report.app, report.release, report.seconds
    ))?;
    if let Some(kept) = report.kept {
        say(&format!("  what was there before:  shelf restore {kept} --confirm {}", report.app))?;
    } else {
        say(
            "  app.toml here is as you wrote it; what differs:  shelf diff        again:  shelf undo --go",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What comes back and what is lost.
fn told(plan: &UndoPlan, data: bool) -> Vec<String> {
    let mut lines = vec![
        format!("{}: takes back {}", plan.app, moment(&plan.running)),
        format!("  comes back: {}", moment(&plan.before)),
    ];
    lines.extend(plan.lines.iter().skip(1).map(|line| format!("  {line}")));
    match &plan.data {
        Some(found) if data => {
            let parts: Vec<String> = found
                .parts
                .iter()
                .map(|(block, bytes)| format!("{block} {}", table::size(*bytes)))
                .collect();
            let blocks: Vec<&str> = found.parts.iter().map(|(block, _)| block.as_str()).collect();
            lines.push(format!(
                "  data and passwords come back: {}, from the snapshot of {}",
                parts.join(", "),
                found.at
            ));
            lines.push(format!(
                "  lost: what was written to {} in the last {}; a backup of it is kept first",
                blocks.join(", "),
                table::age(&found.at)
            ));
            lines.extend(
                found
                    .left_out
                    .iter()
                    .map(|left| format!("  ! the data of {} stays: {}", left.block, left.reason)),
            );
        }
        Some(found) => lines.push(format!(
            "  data and passwords stay as they are; those of {} ago:  --data",
            table::age(&found.at)
        )),
        None => lines.push("  data and passwords stay as they are".to_owned()),
    }
    lines
}

fn moment(moment: &Moment) -> String {
    let by = if moment.by.is_empty() { String::new() } else { format!(" by {}", moment.by) };
    let summary = match moment.summary.is_empty() {
        true => String::new(),
        false => format!(": {}", moment.summary),
    };
    format!("release {} of {} ago{by}{summary}", moment.release, table::age(&moment.at))
}

#[cfg(test)]
mod tests {
    use apps::UndoData;

    use super::*;

    #[test]
    fn it_says_what_is_lost_only_if_data_comes_back() {
        let moment = |release: &str| Moment {
            release: release.into(),
            at: jiff::Timestamp::now().to_string(),
            by: "ana".into(),
            summary: "~ web".into(),
        };
        let plan = UndoPlan {
            app: "shop".into(),
            running: moment("b"),
            before: moment("a"),
            lines: vec!["shop: 1 changed".into(), "~ web  image".into()],
            data: Some(UndoData {
                snapshot: "s".into(),
                at: jiff::Timestamp::now().to_string(),
                parts: vec![("db".into(), 2_000_000)],
                left_out: Vec::new(),
            }),
        };
        let with = told(&plan, true).join("\n");
        assert!(with.contains("lost: what was written to db in the last 0s"), "{with}");
        assert!(with.contains("db 2 MB") && with.contains("~ web  image"), "{with}");
        let without = told(&plan, false).join("\n");
        assert!(!without.contains("lost") && without.contains("--data"), "{without}");
    }
}
