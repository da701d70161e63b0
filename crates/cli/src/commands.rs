//! From a command's arguments to its function: one file each.

mod add;
mod backup;
mod build;
mod catalogue;
mod completion;
mod config;
mod confirm;
mod connect;
mod destroy;
mod dev;
mod diff;
mod doctor;
mod edit;
mod events;
mod exec;
mod explain;
mod fmt;
mod fork;
mod forward;
mod git;
mod go;
mod graph;
mod image;
mod images;
mod init;
mod kubectl;
mod login;
mod logs;
mod module;
mod moves;
mod open;
mod pack;
mod plan;
mod publish;
mod push;
mod restore;
mod scale;
mod secret;
mod secrets;
mod shelf;
mod status;
mod target;
mod transfer;
mod undo;
mod undo_go;
mod upgrade;
mod version;
pub(crate) mod welcome;

use std::process::ExitCode;

use http::Method;
use serde_json::Value;

use crate::app;
use crate::arguments::{Arguments, Command};
use crate::error::{Code, Failure};
use crate::serve;
use crate::settings::Global;
use crate::table;

/// What a command returns: its exit code, or why it failed.
pub(crate) type Outcome = Result<ExitCode, Failure>;

/// Runs the command that was typed.
pub(crate) async fn run(arguments: Arguments) -> Outcome {
    let global = &arguments.global;
    let Some(command) = arguments.command else {
        // A packed file is this program with an app in it: run alone, it brings the app to life.
        return match pack::own() {
            Some(file) => pack::bring(global, &file).await,
            None => welcome::welcome(global).await,
        };
    };
    match command {
        Command::Init(options) => init::init(global, &options),
        Command::Add(options) => add::add(global, &options).await,
        Command::Remove(options) => edit::remove(global, &options),
        Command::Rename(options) => edit::rename(global, &options),
        Command::Wire(options) => edit::wire(global, &options),
        Command::Unwire(options) => edit::unwire(global, &options),
        Command::Need(options) => edit::need(global, &options),
        Command::Unneed(options) => edit::unneed(global, &options),
        Command::Set(options) => edit::set(global, &options).await,
        Command::Unset(options) => edit::unset(global, &options),
        Command::Copies(options) => edit::copies(global, &options),
        Command::Use(options) => edit::use_(global, &options).await,
        Command::Extend(options) => edit::extend(global, &options),
        Command::Import(options) => transfer::import(global, &options).await,
        Command::Export(options) => transfer::export(global, &options),
        Command::Fmt(options) => fmt::fmt(global, &options),
        Command::Undo(options) if options.go => undo_go::undo_go(global, &options).await,
        Command::Undo(options) => undo::undo(global, &options),
        Command::Redo => undo::redo(global),
        Command::Diff(options) => diff::diff(global, &options).await,
        Command::Explain(options) => explain::explain(global, &options),
        Command::Graph(options) => graph::graph(global, &options),
        Command::Search(options) => shelf::search(global, &options).await,
        Command::Show(options) => shelf::show(global, &options).await,
        Command::Interface(options) => shelf::interface(global, &options),
        Command::Publish(options) => publish::publish_app(global, &options).await,
        Command::Pack(options) => pack::pack(global, &options).await,
        Command::Unpack(options) => pack::unpack(global, &options).await,
        Command::Module(verb) => module::module(global, &verb).await,
        Command::Fork(options) => fork::fork(global, &options),
        Command::Completion(options) => completion::completion(&options),
        Command::Check => plan::check(global).await,
        Command::Plan(options) => plan::plan(global, &options).await,
        Command::Go(options) => go::go(global, &options).await,
        Command::Push(options) => push::push(global, &options).await,
        Command::Git(options) => git::git(global, &options).await,
        Command::Dev(options) => dev::dev(global, &options).await,
        Command::Status(options) => status::status(global, &options).await,
        Command::Logs(options) => logs::logs(global, &options).await,
        Command::Top => events::top(global).await,
        Command::Events(options) => events::events(global, &options).await,
        Command::Shell(options) => exec::shell(global, &options).await,
        Command::Forward(options) => forward::forward(global, &options).await,
        Command::Connect(options) => connect::connect(global, &options).await,
        Command::Exec(options) => exec::exec(global, &options).await,
        Command::Url(options) => match &options.end {
            Some(target) => edit::url(global, &options, target),
            None => status::url(global).await,
        },
        Command::Stop => scale::scale(global, "stop").await,
        Command::Start => scale::scale(global, "start").await,
        Command::Restart { blocks } => scale::restart(global, &blocks).await,
        Command::Destroy(options) => destroy::destroy(global, &options).await,
        Command::Upgrade(options) => upgrade::upgrade(global, &options).await,
        Command::Backup(options) => backup::backup(global, &options).await,
        Command::Restore(options) => restore::restore(global, &options).await,
        Command::Snapshot(options) => backup::snapshot(global, &options).await,
        Command::Secret(verb) => secrets::secret(global, &verb).await,
        Command::Copy(options) => restore::copy(global, &options).await,
        Command::Catalogue(verb) => catalogue::catalogue(global, &verb).await,
        Command::Target(verb) => target::target(global, &verb).await,
        Command::Move(options) => moves::move_app(global, &options).await,
        Command::Build(options) => build::build(global, &options).await,
        Command::Images => images::images(global).await,
        Command::Image(verb) => image::image(global, &verb).await,
        Command::Pull(options) => image::pull(global, &options).await,
        Command::Login(options) => login::login(global, &options).await,
        Command::Logout(options) => login::logout(global, &options),
        Command::Open(options) => open::open(global, &options).await,
        Command::Serve(options) if options.stop => serve::stop(global, &options).await,
        Command::Serve(options) => serve::serve(global, &options).await,
        Command::Kubeconfig => kubectl::kubeconfig(global).await,
        Command::Kubectl(options) => kubectl::kubectl(global, &options).await,
        Command::Doctor => doctor::doctor(global).await,
        Command::Config(options) => config::config(global, &options),
        Command::Version(options) => version::version(global, &options).await,
        Command::Help(options) => version::help(&options),
    }
}

/// Prints a line on stdout. A closed pipe ends the command quietly, as `head` expects.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
        .and_then(|()| out.flush())
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::silent(Code::Failed),
            _ => Failure::new(Code::Failed, "output", format!("writing to stdout: {error}")),
        })
}

/// Prints a list under its heading; with `-q` the names in it alone, which are its first column.
pub(crate) fn say_list(
    global: &Global,
    heading: &[&str],
    rows: &[Vec<String>],
) -> Result<(), Failure> {
    if !global.quiet {
        return say(&table::draw(heading, rows));
    }
    rows.iter().filter_map(|row| row.first()).try_for_each(|name| say(name))
}

/// The status of the app meant, as the server sees it.
pub(crate) async fn app_status(global: &Global) -> Result<apps::StatusReport, Failure> {
    let name = app::name(global)?;
    let client = global.client();
    let value = client.json(Method::GET, &format!("/v1/apps/{name}/status"), None).await?;
    decode(value)
}

/// Reads an answer of the server.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::new(
            Code::Failed,
            "server/version",
            format!("the server's answer is not understood: {error}"),
        )
        .hint("is the server another version?  shelf version --server")
    })
}
