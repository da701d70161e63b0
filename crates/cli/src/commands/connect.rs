//! `shelf connect`: the client of a wire's kind, run where the provider runs, with the wire's own
//! login: what it may see is what the consumer may see. It asks the provider on its loopback, so no
//! network policy has to let anything in that is no wire.
//!
//! The login travels on the input of a first command, which puts it into a file in memory that only
//! the container's user can read; the second reads it, deletes it and becomes the client. It is in
//! no argument, here or there.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::Value;

use super::{Outcome, exec, target};
use crate::app;
use crate::arguments::inside::Connect;
use crate::error::{Code, Failure};
use crate::settings::Global;

/// Keeps its input where nobody else reads it; says where.
const KEEP: &str =
    "umask 077; f=$(mktemp /dev/shm/login.XXXXXX 2>/dev/null || mktemp); cat > \"$f\"; echo \"$f\"";
/// What becomes the client of each kind of wire. A module may have a better one.
const CLIENTS: [(&str, &str); 3] = [
    (
        "postgres",
        "export PGHOST=127.0.0.1 PGPORT=\"$WIRE_PORT\" PGDATABASE=\"$WIRE_DATABASE\" \
         PGUSER=\"$WIRE_USERNAME\" PGPASSWORD=\"$WIRE_PASSWORD\"; exec psql \"$@\"",
    ),
    (
        "mysql",
        "export MYSQL_PWD=\"$WIRE_PASSWORD\"; exec mariadb --host=127.0.0.1 \
         --port=\"$WIRE_PORT\" --user=\"$WIRE_USERNAME\" --database=\"$WIRE_DATABASE\" \"$@\"",
    ),
    (
        "redis",
        "export REDISCLI_AUTH=\"$WIRE_PASSWORD\"; exec redis-cli -h 127.0.0.1 \
         -p \"$WIRE_PORT\" --user \"$WIRE_USERNAME\" --no-auth-warning \"$@\"",
    ),
];

/// A wire's Secret.
struct Login {
    wire: String,
    values: BTreeMap<String, String>,
}

/// Opens the client.
pub(crate) async fn connect(global: &Global, options: &Connect) -> Outcome {
    let app = app::name(global)?;
    let login = choose(logins(global, &app).await?, &app, &options.wire)?;
    let value = |name: &str| login.values.get(name).cloned().unwrap_or_default();
    let (kind, provider) = (value("type"), value("provider"));
    let Some((_, client)) = CLIENTS.iter().find(|(known, _)| *known == kind) else {
        let kinds: Vec<&str> = CLIENTS.iter().map(|(kind, _)| *kind).collect();
        return Err(Failure::new(
            Code::NotFound,
            "connect/client",
            format!("{} is of {kind}, for which there is no client here", login.wire),
        )
        .hint(format!(
            "there is one for {}; a tunnel:  shelf forward {provider}",
            kinds.join(", ")
        )));
    };
    if provider.contains('/') {
        let message = format!("{} leads to {provider}, a block of another app", login.wire);
        return Err(Failure::new(Code::NotFound, "connect/beyond", message)
            .hint("connect from that app:  shelf -a APP connect WIRE"));
    }
    let (app, pod) = provider_copy(global, app, &provider, &value("host")).await?;
    let shell = |script: &str| ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
    let file = exec::feed(global, &app, &pod, &shell(KEEP), script(&login).as_bytes()).await?;
    let run = format!("f=$1; shift; . \"$f\"; rm -f \"$f\"; {client}");
    let mut command = shell(&run);
    command.extend(["connect".to_owned(), file.trim().to_owned()]);
    command.extend(options.arguments.iter().cloned());
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    exec::run(global, &app, &pod, &command, terminal).await
}

/// The copy that answers at a wire's host: a block may have processes that do not.
async fn provider_copy(
    global: &Global,
    app: String,
    provider: &str,
    host: &str,
) -> Result<(String, String), Failure> {
    let service = host.split('.').next().unwrap_or_default();
    let api = target::api(global).await?;
    let path = format!(
        "/apis/discovery.k8s.io/v1/namespaces/{app}/endpointslices\
         ?labelSelector=kubernetes.io%2Fservice-name%3D{service}"
    );
    let list: Value = api.client.json(Method::GET, &api.path(&path), None).await?;
    let slices = list["items"].as_array().into_iter().flatten();
    let all = slices.flat_map(|slice| slice["endpoints"].as_array().into_iter().flatten());
    let mut ready = all.filter(|one| one["conditions"]["ready"] != false);
    match ready.find_map(|one| one["targetRef"]["name"].as_str()) {
        Some(pod) => Ok((app, pod.to_owned())),
        None => {
            let message = format!("no copy of {provider} is ready to answer");
            Err(Failure::new(Code::NotFound, "connect/no-copy", message)
                .hint("shelf status says what it waits for"))
        }
    }
}

/// The logins of an app's wires.
async fn logins(global: &Global, app: &str) -> Result<Vec<Login>, Failure> {
    let api = target::api(global).await?;
    let path = format!("/api/v1/namespaces/{app}/secrets");
    let list: Value = api.client.json(Method::GET, &api.path(&path), None).await?;
    let mut found: BTreeMap<String, (String, Login)> = BTreeMap::new();
    for secret in list["items"].as_array().into_iter().flatten() {
        let Some(wire) = secret["metadata"]["annotations"]["shelf.dev/wire"].as_str() else {
            continue;
        };
        let text = |value: &Value| String::from_utf8(STANDARD.decode(value.as_str()?).ok()?).ok();
        let values = secret["data"].as_object().into_iter().flatten();
        let values = values.filter_map(|(key, value)| Some((key.clone(), text(value)?))).collect();
        let name = secret["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        // A login in the second place (`web-db.b`) is there only while it counts.
        if found.get(wire).is_none_or(|(known, _)| *known < name) {
            found.insert(wire.to_owned(), (name, Login { wire: wire.to_owned(), values }));
        }
    }
    Ok(found.into_values().map(|(_, login)| login).collect())
}

/// The wire meant by its name, or by the block that it alone leads to.
fn choose(logins: Vec<Login>, app: &str, wanted: &str) -> Result<Login, Failure> {
    let names: Vec<String> = logins.iter().map(|login| login.wire.clone()).collect();
    let leads = |login: &Login| login.values.get("provider").is_some_and(|one| one == wanted);
    let mut fitting: Vec<Login> =
        logins.into_iter().filter(|login| login.wire == wanted || leads(login)).collect();
    let all = |names: &[String]| match names {
        [] => "it has none".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    match (fitting.pop(), fitting.len()) {
        (Some(login), 0) => Ok(login),
        (None, _) => Err(Failure::new(
            Code::NotFound,
            "wire/absent",
            format!("{app} has no wire {wanted}, and none leads to a block of that name"),
        )
        .hint(all(&names))),
        (Some(last), _) => {
            let mut wires: Vec<String> = fitting.into_iter().map(|login| login.wire).collect();
            wires.push(last.wire);
            let message = format!("several wires lead to {wanted}; each has a login of its own");
            Err(Failure::new(Code::Usage, "prompt", message)
                .hint(format!("which?  shelf connect {}", wires.join("  or  shelf connect "))))
        }
    }
}

/// The wire's values as a program that sets them.
fn script(login: &Login) -> String {
    let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let line = |(name, value): (&String, &String)| {
        let name = name.to_uppercase().replace('-', "_");
        format!("WIRE_{name}='{}'\n", value.replace('\'', "'\\''"))
    };
    login.values.iter().filter(|(name, _)| plain(name)).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(wire: &str, provider: &str) -> Login {
        let values = [("provider", provider), ("password", "it's $x"), ("a b", "odd")];
        let owned = values.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Login { wire: wire.to_owned(), values: owned.into() }
    }

    #[test]
    fn values_are_quoted_and_odd_names_left_out() {
        let text = script(&login("web.db", "db"));
        assert_eq!(text, "WIRE_PASSWORD='it'\\''s $x'\nWIRE_PROVIDER='db'\n");
    }

    #[test]
    fn a_block_stands_for_its_only_wire() {
        let all = || vec![login("web.db", "db"), login("web.jobs", "jobs"), login("api.db", "db")];
        assert_eq!(choose(all(), "shop", "web.db").map(|one| one.wire).ok(), Some("web.db".into()));
        assert_eq!(choose(all(), "shop", "jobs").map(|one| one.wire).ok(), Some("web.jobs".into()));
        assert_eq!(choose(all(), "shop", "db").err().map(|one| one.name), Some("prompt".into()));
        assert!(choose(all(), "shop", "nobody").is_err());
    }
}
