//! Which app a command means: `-a`, or the `app.toml` found upwards from here.

use std::path::{Path, PathBuf};

use http::Method;

use crate::error::{Code, Failure};
use crate::settings::Global;

/// The folder of the app meant.
///
/// # Errors
/// There is none, or `-a` names something that is no folder with an `app.toml`.
pub(crate) fn folder(global: &Global) -> Result<PathBuf, Failure> {
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(Code::Failed, "app/here", format!("this folder cannot be read: {error}"))
    })?;
    if let Some(app) = &global.app {
        let folder = here.join(app);
        if folder.join("app.toml").is_file() {
            return Ok(folder);
        }
        return known(global, app).ok_or_else(|| {
            let message = format!(
                "there is no {}, and no server at {} knows the folder of an app {app}",
                folder.join("app.toml").display(),
                global.run_dir.display(),
            );
            Failure::new(Code::NotFound, "app/absent", message).hint(
                "-a takes the app's folder, or its name if the server knows it:  shelf status",
            )
        });
    }
    for folder in here.ancestors() {
        if folder.join("app.toml").is_file() {
            return Ok(folder.to_path_buf());
        }
    }
    Err(Failure::new(
        Code::NotFound,
        "app/absent",
        format!("there is no app.toml in {} or above it", here.display()),
    )
    .hint("go into the app's folder, or name it:  shelf -a FOLDER …"))
}

/// The folder of an app by its name, if a server runs that knows it. Waits for its answer.
fn known(global: &Global, name: &str) -> Option<PathBuf> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if !name.bytes().all(plain) || !global.socket().exists() {
        return None;
    }
    let client = global.client();
    let path = format!("/v1/apps/{name}/folder");
    // A verb asks before it begins anything: this thread has nothing else to do.
    let answer = tokio::task::block_in_place(|| {
        tokio::runtime::Handle::current().block_on(client.json(Method::GET, &path, None))
    });
    Some(PathBuf::from(answer.ok()?["dir"].as_str()?))
}

/// The name of the app meant: `-a` itself if it is no folder, else what the app file says.
///
/// # Errors
/// There is no app here, or its file does not say its name.
pub(crate) fn name(global: &Global) -> Result<String, Failure> {
    if let Some(app) = &global.app
        && !Path::new(app).join("app.toml").is_file()
        && !app.contains('/')
    {
        return Ok(app.clone());
    }
    let folder = folder(global)?;
    apps::app_name(&folder).map_err(|error| failure(&error))
}

/// Checks an app before a server is asked: most of what can be wrong needs none.
///
/// # Errors
/// The app is wrong.
pub(crate) fn check_here(global: &Global, folder: &Path) -> Result<(), Failure> {
    match apps::check(folder) {
        Err(error) if !needs_target(global, &error) => Err(wrong(&error)),
        _ => Ok(()),
    }
}

/// Whether only the target can tell if an app is right: its wires reach other apps there, a file is
/// laid over it there, or a module may be one of a catalogue that a server here knows.
pub(crate) fn needs_target(global: &Global, error: &apps::Error) -> bool {
    let apps::Error::Wrong(found) = error else { return false };
    let module = |code: &str| ["module/unknown", "module/version"].contains(&code);
    let asks = |code: &str| code == "wire/other-app" || module(code) && global.socket().exists();
    global.on.is_some() || found.iter().any(|one| asks(&one.code))
}

/// What a check found. An app file that names what is not there is wrong, which is a failure; it
/// is not found only when there is no app.
pub(crate) fn wrong(error: &apps::Error) -> Failure {
    let mut failure = failure(error);
    if !error.report().code.ends_with("/absent") {
        failure.code = Code::Failed;
    }
    failure
}

/// An error of the apps room, for a person.
pub(crate) fn failure(error: &apps::Error) -> Failure {
    let report = error.report();
    let code = match report.code.as_str() {
        code if code.ends_with("/absent") => Code::NotFound,
        "module/unknown" | "interface/unknown" | "example/unknown" => Code::NotFound,
        _ => Code::Failed,
    };
    let mut failure = Failure::new(code, &report.code, report.message);
    let mut more = serde_json::Map::new();
    if !report.diagnostics.is_empty() {
        more.insert("diagnostics".into(), apps::diagnostics_value(&report.diagnostics));
    }
    more.extend(report.cause.map(|cause| ("cause".to_owned(), cause.into())));
    failure.more = (!more.is_empty()).then(|| Box::new(more));
    failure.hint = report.hint;
    failure.rendered = Some(report.rendered);
    failure
}
