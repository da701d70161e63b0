//! A real kubectl against the API.

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::server::{Ended, Server, eventually};

/// kubectl lists the same pods, reads their logs, runs commands in them.
pub(crate) fn kubectl(server: &mut Server) -> Result<()> {
    let text = server.kubectl(&["get", "pods"]).good()?;
    for block in ["db-0", "jobs-0", "web-", "web-worker-"] {
        let line = text.lines().find(|line| line.starts_with(block));
        let line = line.with_context(|| format!("no pod {block} in\n{text}"))?;
        ensure!(line.contains("Running"), "{line}");
    }
    let all = server.kubectl(&["get", "all", "-o", "wide"]).good()?;
    for object in ["statefulset.apps/db", "deployment.apps/web-worker", "service/db"] {
        ensure!(all.contains(object), "no {object} in\n{all}");
    }
    let log = server.kubectl(&["logs", "db-0", "--tail=200"]).good()?;
    ensure!(log.contains("database system is ready"), "{log}");
    let answer = server.kubectl(&["exec", "db-0", "--", "sh", "-c", "echo $((6*7)); exit 3"]);
    ensure!(answer.code == 3 && answer.out.contains("42"), "{answer:?}");
    let who = server.kubectl(&["exec", "db-0", "--", "cat", "/proc/1/status"]).good()?;
    ensure!(who.contains("NoNewPrivs:\t1"), "{who}");
    ensure!(who.contains("Seccomp:\t2"), "{who}");
    let described = server.kubectl(&["describe", "pod", "db-0"]).good()?;
    ensure!(described.contains("Ready             True"), "{described}");
    let nodes = server.kubectl(&["top", "nodes", "--no-headers"]).good()?;
    ensure!(nodes.contains('%') && !nodes.contains(" 0Mi"), "{nodes}");
    // From anywhere, by the app's name: the server knows its folder.
    let mut away = server.command(&["-a", "shop", "plan"]);
    let plan = Ended::new(&away.current_dir("/").output()?).good()?;
    ensure!(plan.contains("shop: nothing to do"), "{plan}");
    let mut away = server.command(&["-a", "shoop", "plan"]);
    let unknown = Ended::new(&away.current_dir("/").output()?);
    ensure!(unknown.code == 3 && unknown.err.contains("an app shoop"), "{unknown:?}");
    let pvc = server.kubectl(&["get", "pvc"]).good()?;
    ensure!(pvc.contains("Bound"), "{pvc}");
    Ok(())
}

const THINGS: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: words}
data: {greeting: hello}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: IMAGE
        command: [sh, -c, 'echo said $GREETING; cat /words/greeting']
        env: [{name: GREETING, valueFrom: {configMapKeyRef: {name: words, key: greeting}}}]
        volumeMounts: [{name: words, mountPath: /words}]
      volumes: [{name: words, configMap: {name: words}}]
";

/// Objects that kubectl writes become real as well.
pub(crate) fn writes(server: &mut Server) -> Result<()> {
    let pod = server.object(&["get", "pod", "db-0"])?;
    let image = pod["spec"]["containers"][0]["image"].as_str().context("an image")?.to_owned();
    let path = server.scratch("things.yaml");
    fs::write(&path, THINGS.replace("IMAGE", &image))?;
    let path = path.to_string_lossy().into_owned();
    let first = server.kubectl(&["apply", "-f", &path]).good()?;
    ensure!(first.contains("job.batch/once created"), "{first}");
    let again = server.kubectl(&["apply", "-f", &path]).good()?;
    ensure!(again.contains("job.batch/once unchanged"), "{again}");
    server.kubectl(&["wait", "--for=condition=complete", "job/once", "--timeout=60s"]).good()?;
    let log = server.kubectl(&["logs", "job/once"]).good()?;
    ensure!(log.trim_end() == "said hello\nhello", "{log:?}");
    let side = server.kubectl(&["apply", "--server-side", "-f", &path]);
    ensure!(side.code == 0 || side.err.contains("conflict"), "{side:?}");
    let wrong = server.kubectl(&["create", "deployment", "No_Name", "--image=x"]);
    ensure!(wrong.code != 0 && wrong.err.contains("RFC 1123"), "{wrong:?}");
    server.kubectl(&["delete", "-f", &path]).good()?;
    eventually(20, || {
        let left = server.kubectl(&["get", "pods", "-l", "job-name=once"]);
        ensure!(left.out.trim().is_empty(), "{}", left.out);
        Ok(())
    })
}
