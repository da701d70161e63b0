//! `shelf diff`: the app file against what runs: its lines, and what go would change.

use std::process::ExitCode;

use apps::Edit;
use http::Method;
use serde_json::json;

use super::{Outcome, decode, fork, say};
use crate::app;
use crate::arguments::looks::Diff;
use crate::error::Code;
use crate::settings::Global;

/// Compares the file of the app meant with its last release.
pub(crate) async fn diff(global: &Global, options: &Diff) -> Outcome {
    let folder = app::folder(global)?;
    let name = apps::app_name(&folder).map_err(|error| app::failure(&error))?;
    let new = apps::text(&folder).map_err(|error| app::failure(&error))?;
    let client = global.client();
    let value = client.json(Method::GET, &format!("/v1/apps/{name}/releases"), None).await?;
    let last = value["releases"].as_array().and_then(|all| all.first()).cloned();
    let old = last.as_ref().and_then(|one| one["text"].as_str()).unwrap_or_default();
    let lines = lines(old, &new);
    let dir = std::fs::canonicalize(&folder).unwrap_or(folder);
    let body = json!({"dir": dir});
    // A file that could not go has no plan, and its lines are shown all the same.
    let plan = client.json(Method::POST, "/v1/verbs/plan", Some(&body)).await;
    let plan: Option<apps::PlanReport> = plan.ok().map(decode).transpose()?;
    let changes = !lines.is_empty() || plan.as_ref().is_some_and(|plan| plan.has_changes);
    let copies = fork::stories(&dir);
    let release = last.as_ref().and_then(|one| one["release"].as_str());
    if global.json {
        let result = json!({
            "app": name, "release": release, "lines": lines, "has_changes": changes,
            "plan": plan.as_ref().map(|plan| &plan.lines),
            "yours": copies.iter().map(|(block, yours)| json!({"block": block, "yours": yours}))
                .collect::<Vec<_>>(),
        });
        say(&json!({"schema": "shelf/diff/1", "result": result}).to_string())?;
    } else {
        match release {
            Some(release) => say(&format!("app.toml against release {release}"))?,
            None => say("app.toml against nothing: it never went")?,
        }
        for line in &lines {
            say(line)?;
        }
        for line in copies.iter().flat_map(|(block, yours)| fork::story(block, yours)) {
            say(&line)?;
        }
        for line in plan.iter().flat_map(|plan| &plan.lines) {
            say(line)?;
        }
    }
    if options.exit_code && changes {
        return Ok(ExitCode::from(Code::PlanHasChanges as u8));
    }
    Ok(ExitCode::SUCCESS)
}

/// The differences, each with the line where it begins.
fn lines(old: &str, new: &str) -> Vec<String> {
    let Edit::Restore { pieces } = Edit::rewriting(old, new) else { return Vec::new() };
    let mut out = Vec::new();
    for piece in pieces.iter().rev() {
        out.push(format!("@@ line {}", piece.line));
        let (from, to): (Vec<&str>, Vec<&str>) =
            (piece.from.lines().collect(), piece.to.lines().collect());
        let same = from.iter().zip(&to).take_while(|(one, other)| one == other).count();
        out.extend(from[..same].iter().map(|line| format!("  {line}")));
        out.extend(from[same..].iter().map(|line| format!("- {line}")));
        out.extend(to[same..].iter().map(|line| format!("+ {line}")));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn lines_that_differ_are_shown_where_they_are() {
        assert_eq!(
            lines("a\nb\nc\n", "a\nx\nc\nd\n"),
            ["@@ line 2", "- b", "+ x", "@@ line 3", "  c", "+ d"]
        );
        assert_eq!(lines("a\n", "a\n"), [] as [&str; 0]);
        assert_eq!(lines("", "a\n"), ["@@ line 1", "+ a"]);
    }
}
