//! Rung 2: what an app adds at a module's extension points is what the real server then does. The
//! additions stand in `modules/app.toml`; this asks the servers themselves.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::modules::{begun, shelf};
use crate::server::{Server, eventually};

/// What a script in a block's container prints.
fn ask(server: &Server, block: &str, script: &str) -> Result<String> {
    let said = shelf(server, &["exec", "-T", block, "bash", "-c", script]).good();
    Ok(said.with_context(|| format!("{block}: {script}"))?.trim().to_owned())
}

/// A script, and words of what it must print.
const ADDED: &[(&str, &str, &[&str])] = &[
    (
        "postgres",
        "PGPASSWORD=$POSTGRES_PASSWORD psql -h 127.0.0.1 -U postgres -At -c 'show work_mem' \
         -c 'show log_min_duration_statement' -c \"select datname from pg_database\"",
        &["7MB", "4321ms", "first"],
    ),
    (
        "mariadb",
        "MYSQL_PWD=$MARIADB_ADMIN_PASSWORD mariadb --no-defaults -h 127.0.0.1 -u admin -BN \
         -e 'select @@global.long_query_time, @@global.wait_timeout; show databases'",
        &["7.000000", "4321", "first"],
    ),
    (
        "redis",
        "REDISCLI_AUTH=$REDIS_ADMIN_PASSWORD redis-cli --user admin --no-auth-warning \
         config get hz slowlog-max-len",
        &["33", "4321"],
    ),
    (
        "rabbitmq",
        "rabbitmqctl --quiet eval 'application:get_env(rabbit, heartbeat).'; \
         rabbitmqctl --quiet list_queues -p shared name; rabbitmq-plugins list --quiet -E -m",
        &["{ok,33}", "first", "rabbitmq_stomp"],
    ),
    (
        "nats",
        "exec 3<>/dev/tcp/127.0.0.1/8222; printf 'GET /varz HTTP/1.0\r\n\r\n' >&3; cat <&3",
        &["\"max_connections\": 4321"],
    ),
];

/// Additions of every kind, each seen in the server it was made for.
pub(crate) fn all(server: &mut Server) -> Result<()> {
    begun(server)?;
    for (block, script, wanted) in ADDED {
        let said = ask(server, block, script)?;
        for word in *wanted {
            ensure!(said.contains(word), "{block} does not have {word}:\n{said}");
        }
    }
    // Every second, not every ten: three of them within five.
    let options = "printf -- '-h %s\\n-p %s\\n-u %s\\n-P %s\\n' $MOSQUITTO_HOST $MOSQUITTO_PORT \
         $MOSQUITTO_USERNAME $MOSQUITTO_PASSWORD > /tmp/mosquitto_sub; \
         XDG_CONFIG_HOME=/tmp mosquitto_sub -t '$SYS/broker/uptime' -C 3 -W 6 | wc -l";
    let beats = ask(server, "one", options)?;
    ensure!(beats == "3", "mosquitto tells its uptime {beats} times in 6 s");
    pages(server)?;
    metrics(server)?;
    denied(server)
}

/// nginx: pages, directives, headers; one upstream alone; several below their names.
fn pages(server: &Server) -> Result<()> {
    let get = |block: &str, path: &str| {
        let name = block.to_uppercase();
        ask(server, "one", &format!("curl -sS -m 10 -i \"$WEB_{name}_URL{path}\""))
    };
    let wanted = [
        ("pages", "/", "the first page"),
        ("pages", "/", "X-Extended: yes"),
        ("pages", "/said", "by the server"),
        ("pages", "/nothing", "not there"),
        ("pages", "/nothing", "404"),
        ("front", "/", "the first page"),
        ("front", "/said", "by the server"),
        ("doors", "/pages/", "the first page"),
        ("doors", "/pages/said", "by the server"),
        ("doors", "/one/metrics", "kept 42"),
        ("doors", "/", "404"),
    ];
    for (block, path, words) in wanted {
        let page = get(block, path)?;
        ensure!(page.contains(words), "{block}{path} does not say {words:?}:\n{page}");
    }
    let big = "head -c 2000000 /dev/zero | curl -sS -m 20 -o /dev/null -w '%{http_code}' \
         --data-binary @- $WEB_FRONT_URL/";
    let code = ask(server, "one", big)?;
    ensure!(code == "413", "a body of 2 MB where 1 MB is set: {code}");
    // The upstream's service is another one, at another address: its name is asked for again.
    let kubectl = |arguments: &[&str]| {
        shelf(server, &[&["kubectl", "-n", "parts"], arguments].concat()).good()
    };
    let before = kubectl(&["get", "service", "metered-page", "-o", "json"])?;
    let mut service: Value = serde_json::from_str(&before)?;
    kubectl(&["delete", "service", "metered-page"])?;
    let old = service["spec"]["clusterIP"].clone();
    service["metadata"] = serde_json::json!({
        "name": "metered-page", "namespace": "parts", "labels": service["metadata"]["labels"],
    });
    service["spec"]
        .as_object_mut()
        .context("a spec")?
        .retain(|key, _| !key.starts_with("clusterIP"));
    service["spec"]["clusterIP"] = "10.152.200.77".into();
    ensure!(old != "10.152.200.77", "the address is the one that is wanted already");
    let file = server.scratch("metered.json");
    fs::write(&file, service.to_string())?;
    kubectl(&["apply", "-f", &file.to_string_lossy()])?;
    eventually(30, || {
        let page = get("doors", "/metered/metrics")?;
        ensure!(page.contains("kept 42"), "the moved upstream is not found:\n{page}");
        Ok(())
    })
}

/// Prometheus: a rule that records, one that alerts, a further target; the alert is sent by mail.
fn metrics(server: &Server) -> Result<()> {
    let query = |query: &str| {
        let script = format!("curl -sS -m 10 \"$PROMETHEUS_URL/api/v1/query?query={query}\"");
        ask(server, "one", &script)
    };
    eventually(60, || {
        let twice = query("kept:twice")?;
        ensure!(twice.contains("\"84\""), "nothing is recorded: {twice}");
        let further = query("up%7Bjob%3D%22further%22%7D")?;
        ensure!(further.contains("\"1\""), "the further target is not asked: {further}");
        let alerts = ask(server, "one", "curl -sS -m 10 $WEB_ALERTMANAGER_URL/api/v2/alerts")?;
        ensure!(alerts.contains("\"Kept\""), "no alert: {alerts}");
        let script = "curl -sS -m 10 -u mail:$PAGE $INBOX_URL/api/email/summary?limit=100";
        let page = ask(server, "maildev", "printenv MAILDEV_WEB_PASS")?;
        let mails = ask(server, "one", &format!("PAGE={page}; {script}"))?;
        ensure!(mails.contains("Kept"), "no mail about it: {mails}");
        Ok(())
    })
}

/// What a module keeps for itself is refused by its name, before anything starts.
fn denied(server: &Server) -> Result<()> {
    let path = server.scratch("parts").join("app.toml");
    let good = fs::read_to_string(&path)?;
    let cases = [
        ("config = { hz = 33,", "config = { dir = \"/tmp\",", "extend/deny", "dir"),
        ("config = { work_mem =", "config = { fsync =", "extend/deny", "fsync"),
        ("init   = [\"./extend/first.sql\"]", "init = [\"./app.toml\"]", "extend/file", "app.toml"),
    ];
    for (was, now, code, word) in cases {
        ensure!(good.contains(was), "no {was} in the app");
        fs::write(&path, good.replacen(was, now, 1))?;
        let ended = shelf(server, &["check"]);
        ensure!(ended.code != 0 && ended.err.contains(word), "{now}: {ended:?}");
        ensure!(format!("{}{}", ended.out, ended.err).contains(code), "{now}: {ended:?}");
    }
    fs::write(&path, good)?;
    Ok(())
}
