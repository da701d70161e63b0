//! Edits on disk: two people, crashes, changes from outside, releases of a part.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::stock;

const APP: &str = "# ours\napp = \"shop\"\n\n[db] # the one\nuse = \"postgres@15\"\n\n[web]\nsource = \"./web\"\nneeds  = { db = \"postgres/1\" }\nrun    = { web = { port = 80 } }\n";

fn app() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.toml"), APP).unwrap();
    dir
}

fn verb(value: serde_json::Value) -> Edit {
    serde_json::from_value(value).unwrap()
}

fn size(value: &str) -> Edit {
    verb(json!({"verb":"set","block":"db","setting":"size","value":value}))
}

fn copies(count: u8) -> Edit {
    verb(json!({"verb":"copies","block":"web","copies":count.to_string()}))
}

fn text(dir: &Path) -> String {
    fs::read_to_string(dir.join("app.toml")).unwrap()
}

fn ids(dir: &Path) -> Vec<String> {
    history(dir, HERE).unwrap().into_iter().map(|entry| entry.id).collect()
}

#[test]
fn an_edit_keeps_mode_and_comments_and_says_what_it_creates() {
    let dir = app();
    let path = dir.path().join("app.toml");
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let wire = verb(json!({"verb":"wire","block":"web","socket":"db","provider":"db"}));
    let report = edit(dir.path(), &[wire], "ana", None).unwrap();
    assert_eq!(report.summary, "web.db wired to db");
    assert_eq!(report.lines, (11, 11));
    assert_eq!(report.creates, [] as [&str; 0], "it was tied by itself before");
    assert_eq!(report.revision, revision_of(dir.path()));
    assert!(text(dir.path()).contains("wire   = { db = \"db\" }\n"));
    assert!(text(dir.path()).starts_with("# ours\n"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(fs::read_to_string(dir.path().join(".shelf/.gitignore")).unwrap(), "*\n");
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "app.toml and .shelf, nothing staged: {left:?}");
}

fn revision_of(dir: &Path) -> String {
    load::revision(&text(dir))
}

#[test]
fn a_link_to_the_app_file_stays_a_link() {
    let dir = app();
    fs::rename(dir.path().join("app.toml"), dir.path().join("real.toml")).unwrap();
    std::os::unix::fs::symlink("real.toml", dir.path().join("app.toml")).unwrap();
    edit(dir.path(), &[copies(2)], "ana", None).unwrap();
    assert!(fs::symlink_metadata(dir.path().join("app.toml")).unwrap().is_symlink());
    assert!(text(dir.path()).contains("copies = 2"));
}

#[test]
fn two_people_undo_only_their_own() {
    let dir = app();
    edit(dir.path(), &[size("1Gi")], "ana", None).unwrap();
    edit(dir.path(), &[copies(2)], "ben", None).unwrap();
    edit(dir.path(), &[size("2Gi")], "ana", None).unwrap();
    edit(dir.path(), &[copies(3)], "ben", None).unwrap();
    let report = undo(dir.path(), "ana").unwrap();
    assert_eq!(report.summary, "undone: db.size set to 2Gi");
    assert!(text(dir.path()).contains("size = \"1Gi\"") && text(dir.path()).contains("copies = 3"));
    undo(dir.path(), "ana").unwrap();
    assert!(!text(dir.path()).contains("size"));
    assert!(matches!(undo(dir.path(), "ana"), Err(Error::NoHistory { .. })));
    undo(dir.path(), "ben").unwrap();
    redo(dir.path(), "ana").unwrap();
    redo(dir.path(), "ana").unwrap();
    assert!(text(dir.path()).contains("size = \"2Gi\"") && text(dir.path()).contains("copies = 2"));
    assert!(matches!(redo(dir.path(), "ana"), Err(Error::NoHistory { .. })));
    edit(dir.path(), &[size("4Gi")], "ben", None).unwrap();
    assert!(matches!(redo(dir.path(), "ben"), Err(Error::NoHistory { .. })), "a new edit ends it");
    let undone: Vec<bool> = history(dir.path(), HERE).unwrap().iter().map(|e| e.undone).collect();
    assert_eq!(undone, [false, false, false, true, false]);
}

#[test]
fn all_of_an_edit_happens_or_nothing() {
    let dir = app();
    let wrong = verb(json!({"verb":"set","block":"db","setting":"sise","value":"1Gi"}));
    let error = edit(dir.path(), &[copies(2), wrong], "ana", None).unwrap_err();
    assert_eq!(error.report().code, "setting/unknown");
    assert_eq!(text(dir.path()), APP);
    assert_eq!(ids(dir.path()), [] as [&str; 0]);
    let both = edit(dir.path(), &[copies(2), size("1Gi")], "ana", None).unwrap();
    assert_eq!(both.summary, "web: 2 copies, db.size set to 1Gi");
    undo(dir.path(), "ana").unwrap();
    assert_eq!(text(dir.path()), APP);
}

#[test]
fn a_trial_leaves_nothing() {
    let dir = app();
    let report = try_edit(dir.path(), &[copies(2)], None).unwrap();
    assert!(report.text.contains("copies = 2") && report.id.is_none());
    assert_eq!(text(dir.path()), APP);
    assert!(!dir.path().join(".shelf").exists());
}

#[test]
fn an_old_revision_clashes_only_in_the_same_field() {
    let dir = app();
    let seen = revision_of(dir.path());
    edit(dir.path(), &[size("1Gi")], "ana", Some(&seen)).unwrap();
    edit(dir.path(), &[copies(2)], "ben", Some(&seen)).unwrap();
    let clash = edit(dir.path(), &[size("3Gi")], "ben", Some(&seen)).unwrap_err();
    assert_eq!(clash.report().code, "edit/stale");
    assert!(clash.to_string().contains("somebody changed the same field"), "{clash}");
    let clash = edit(dir.path(), &[copies(4)], "ben", Some("0123456789abcdef")).unwrap_err();
    assert_eq!(clash.report().code, "edit/stale");
    assert!(text(dir.path()).contains("size = \"1Gi\"") && text(dir.path()).contains("copies = 2"));
}

#[test]
fn a_torn_last_line_is_an_edit_that_was_never_made() {
    let dir = app();
    edit(dir.path(), &[size("1Gi")], "ana", None).unwrap();
    let path = dir.path().join(".shelf/history.jsonl");
    let whole = fs::read(&path).unwrap();
    edit(dir.path(), &[copies(2)], "ana", None).unwrap();
    let after = fs::read(&path).unwrap();
    // The crash came while the line was written, so the app file is the old one.
    for cut in [whole.len() + 1, after.len() - 20, after.len() - 1] {
        fs::write(&path, &after[..cut]).unwrap();
        undo_by_hand(dir.path());
        assert_eq!(ids(dir.path()), ["c1"], "cut at {cut}");
        edit(dir.path(), &[copies(5)], "ben", None).unwrap();
        assert_eq!(ids(dir.path()), ["c1", "c2"]);
        let lines = fs::read_to_string(&path).unwrap();
        assert!(lines.lines().all(|line| serde_json::from_str::<Record>(line).is_ok()), "{lines}");
    }
}

/// The app file as it is after the first edit of the test above.
fn undo_by_hand(dir: &Path) {
    let text = composer::edit("a", APP, &size("1Gi"), &stock::catalogue().unwrap()).unwrap().text;
    fs::write(dir.join("app.toml"), text).unwrap();
}

#[test]
fn an_edit_that_a_crash_kept_from_the_file_is_taken_back_and_can_be_redone() {
    let dir = app();
    edit(dir.path(), &[copies(2)], "ana", None).unwrap();
    // The record is on the disk; the new file never got its name.
    fs::write(dir.path().join("app.toml"), APP).unwrap();
    let entries = history(dir.path(), HERE).unwrap();
    assert!(entries.len() == 1 && entries[0].undone);
    redo(dir.path(), "ana").unwrap();
    assert!(text(dir.path()).contains("copies = 2"));
    assert!(!history(dir.path(), HERE).unwrap()[0].undone);
}

#[test]
fn a_change_from_outside_is_an_entry_like_any_other() {
    let dir = app();
    edit(dir.path(), &[copies(2)], "ana", None).unwrap();
    let new = text(dir.path()).replace("# the one", "# the only one");
    fs::write(dir.path().join("app.toml"), &new).unwrap();
    let entries = history(dir.path(), HERE).unwrap();
    let last = entries.last().unwrap();
    assert_eq!((last.by.as_str(), last.summary.as_str()), ("file", "app.toml: 1 line changed"));
    undo(dir.path(), "ana").unwrap();
    assert!(text(dir.path()).contains("# the only one") && !text(dir.path()).contains("copies"));
    undo(dir.path(), "file").unwrap();
    assert_eq!(text(dir.path()), APP);
}

#[test]
fn a_part_of_the_changes_goes_out_alone() {
    let dir = app();
    edit(dir.path(), &[size("1Gi")], "ana", None).unwrap();
    edit(dir.path(), &[copies(2)], "ben", None).unwrap();
    edit(dir.path(), &[copies(3)], "ben", None).unwrap();
    let mine = text_with(dir.path(), &["c1".to_owned()], HERE).unwrap();
    assert!(mine.contains("size = \"1Gi\"") && !mine.contains("copies"));
    assert_eq!(text_with(dir.path(), &[], HERE).unwrap(), APP);
    mark_released(dir.path(), &["c1".to_owned()], "r1", HERE).unwrap();
    assert_eq!(history(dir.path(), HERE).unwrap()[0].released.as_deref(), Some("r1"));
    assert_eq!(text_with(dir.path(), &[], HERE).unwrap(), mine, "what is out now is the ground");
    let all = ["c2".to_owned(), "c3".to_owned()];
    assert_eq!(text_with(dir.path(), &all, HERE).unwrap(), text(dir.path()));
    let error = text_with(dir.path(), &["c9".to_owned()], HERE).unwrap_err();
    assert_eq!(error.report().code, "edit/stale");
}

#[test]
fn each_target_has_what_went_out_to_it() {
    let dir = app();
    let waits = |on: &str| -> Vec<String> {
        let entries = history(dir.path(), on).unwrap();
        entries.into_iter().filter(|entry| entry.waits).map(|entry| entry.id).collect()
    };
    let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
    edit(dir.path(), &[size("1Gi")], "ana", None).unwrap();
    mark_released(dir.path(), &ids(&["c1"]), "r1", HERE).unwrap();
    // Where nothing went yet, the file as it is out here is the ground.
    edit(dir.path(), &[copies(2)], "ana", None).unwrap();
    assert_eq!((waits(HERE), waits("far")), (ids(&["c2"]), ids(&["c2"])));
    mark_released(dir.path(), &ids(&["c2"]), "f1", "far").unwrap();
    assert_eq!((waits(HERE), waits("far")), (ids(&["c2"]), ids(&[])));
    edit(dir.path(), &[size("2Gi")], "ana", None).unwrap();
    let only = text_with(dir.path(), &ids(&["c3"]), HERE).unwrap();
    assert!(only.contains("2Gi") && !only.contains("copies"), "{only}");
    mark_released(dir.path(), &ids(&["c2", "c3"]), "r2", HERE).unwrap();
    assert_eq!((waits(HERE), waits("far")), (ids(&[]), ids(&["c3"])));
    let ground = text_with(dir.path(), &[], "far").unwrap();
    assert!(ground.contains("1Gi") && ground.contains("copies = 2"), "{ground}");
    // What never came there has nothing to be taken back there.
    undo(dir.path(), "ana").unwrap();
    assert_eq!((waits(HERE), waits("far")), (ids(&["c4"]), ids(&[])));
    assert_eq!(text_with(dir.path(), &[], "far").unwrap(), text(dir.path()));
}

#[test]
fn each_line_knows_who_put_it_there() {
    let dir = app();
    edit(dir.path(), &[size("1Gi")], "ana", None).unwrap();
    edit(dir.path(), &[size("2Gi")], "ben", None).unwrap();
    edit(dir.path(), &[copies(2)], "ben", None).unwrap();
    undo(dir.path(), "ben").unwrap();
    let who: Vec<String> = blame(dir.path())
        .unwrap()
        .into_iter()
        .map(|entry| entry.map(|entry| entry.by).unwrap_or_default())
        .collect();
    let at = text(dir.path()).lines().position(|line| line.contains("2Gi")).unwrap();
    assert_eq!(who.len(), text(dir.path()).lines().count());
    assert_eq!(who[at], "ben");
    assert_eq!(who.iter().filter(|by| !by.is_empty()).count(), 1, "{who:?}");
}

#[test]
fn what_went_out_is_undone_by_a_new_change() {
    let dir = app();
    edit(dir.path(), &[copies(2)], "ana", None).unwrap();
    mark_released(dir.path(), &["c1".to_owned()], "r1", HERE).unwrap();
    undo(dir.path(), "ana").unwrap();
    assert_eq!(text(dir.path()), APP);
    let entries = history(dir.path(), HERE).unwrap();
    assert_eq!(entries.len(), 2, "a change to go out in its turn");
    assert!(entries[0].undone && entries[1].released.is_none());
    assert_eq!(entries[1].summary, "undone: web: 2 copies");
    redo(dir.path(), "ana").unwrap();
    assert!(text(dir.path()).contains("copies = 2"));
    assert!(!history(dir.path(), HERE).unwrap()[0].undone);
    undo(dir.path(), "ana").unwrap();
    assert_eq!(text(dir.path()), APP);
}

#[test]
fn a_whole_text_is_written_only_if_it_is_an_app_file() {
    let dir = app();
    let seen = revision_of(dir.path());
    let error = write_text(dir.path(), "app = \"shop\"\n[db]\nuze = 1\n", None, "ana").unwrap_err();
    assert_eq!(error.report().code, "file/unknown-key");
    assert_eq!(text(dir.path()), APP);
    let new = format!("{APP}\n# more\n");
    write_text(dir.path(), &new, Some(&seen), "ana").unwrap();
    let error = write_text(dir.path(), APP, Some(&seen), "ben").unwrap_err();
    assert_eq!(error.report().code, "edit/stale");
    undo(dir.path(), "ana").unwrap();
    assert_eq!(text(dir.path()), APP);
}

#[test]
fn many_at_once_lose_nothing() {
    let dir = app();
    std::thread::scope(|scope| {
        for person in ["ana", "ben", "cem"] {
            let dir = dir.path();
            scope.spawn(move || {
                for number in 0..8 {
                    let name = format!("{}_{number}", person.to_uppercase());
                    let edit = json!({"verb":"env","block":"web","name":name,"value":"1"});
                    super::edit(dir, &[verb(edit)], person, None).unwrap();
                }
            });
        }
    });
    assert_eq!(history(dir.path(), HERE).unwrap().len(), 24);
    assert_eq!(text(dir.path()).matches(" = \"1\"").count(), 24);
    for person in ["ben", "ana", "cem"] {
        for _ in 0..8 {
            undo(dir.path(), person).unwrap();
        }
    }
    let graph = |text: &str| {
        let app = App::parse("a", text).unwrap();
        composer::check(&app, &stock::catalogue().unwrap()).unwrap()
    };
    assert_eq!(graph(&text(dir.path())), graph(APP));
}

#[test]
fn a_long_history_is_shortened_and_goes_on() {
    let dir = app();
    let long = format!("{APP}# {}\n", "x".repeat(20_000));
    fs::write(dir.path().join("app.toml"), long).unwrap();
    let mut journal = Journal::open(dir.path()).unwrap();
    let mut text = text(dir.path());
    journal.push(Record::Begin { at: history::now(), text: text.clone() }).unwrap();
    let begun = text.clone();
    let (mut here, mut prod) = (String::new(), String::new());
    for number in 1..=500 {
        text.push('#');
        let record = Record::Edit(outside(&journal, "ana", text.clone()));
        journal.push(record).unwrap();
        let out = match number {
            20 => Some(("prod", &mut prod)),
            30 => Some((HERE, &mut here)),
            _ => None,
        };
        if let Some((on, kept)) = out {
            kept.clone_from(&text);
            let (at, ids, release) = (history::now(), vec![format!("c{number}")], "r".to_owned());
            let (text, on) = (text.clone(), on.to_owned());
            journal.push(Record::Released { at, ids, release, text, on }).unwrap();
        }
    }
    // What went out to each target is known still; to one that nothing went to, what went last.
    assert_eq!((journal.base(HERE), journal.base("prod")), (Some(&*here), Some(&*prod)));
    assert_eq!((journal.base("new"), journal.text()), (Some(&*here), Some(&*text)));
    assert!(here != begun && prod != here);
    drop(journal);
    fs::write(dir.path().join("app.toml"), &text).unwrap();
    let size = fs::metadata(dir.path().join(".shelf/history.jsonl")).unwrap().len();
    assert!(size < 4_200_000, "{size}");
    let entries = history(dir.path(), HERE).unwrap();
    assert!(entries.len() < 250 && entries.last().unwrap().id == "c500", "{}", entries.len());
    undo(dir.path(), "ana").unwrap();
    assert_eq!(self::text(dir.path()).len(), text.len() - 1);
}
