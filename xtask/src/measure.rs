//! `cargo x measure`: the figures of `docs/performance.md`, taken anew.
//!
//! One server of its own on fresh directories, the shop on it: first go (base image and all
//! images made), go with nothing changed, an edit to live, memory at rest, processor time at rest.
//! It judges nothing; whole-process figures come from /proc.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::host::{cargo, host_tuple, require_root, root};

const HTTP_PORT: u16 = 18080;

/// Takes every figure and prints one line for each.
///
/// # Errors
/// Says which step of the shop's life failed.
pub(crate) fn run() -> Result<()> {
    require_root("measure")?;
    cargo(&["build", "--release", "--package", "cli"])?;
    let shelf = root().join("target").join(host_tuple()?).join("release/shelf");
    let folder = PathBuf::from(format!("/var/tmp/shelf-measure-{}", std::process::id()));
    fs::create_dir(&folder)?;
    let measured = measure(&shelf, &folder);
    let stop = command(&shelf, &folder, &["serve", "--stop", "--containers"]).status();
    fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    ensure!(stop.is_ok_and(|status| status.success()), "the server did not end when told");
    measured
}

fn command(shelf: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(shelf);
    command
        .args(arguments)
        .env("SHELF_RUN_DIR", folder.join("run"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let shop = folder.join("shop");
    if shop.is_dir() {
        command.current_dir(shop);
    }
    command
}

fn good(shelf: &Path, folder: &Path, arguments: &[&str]) -> Result<Duration> {
    let began = Instant::now();
    let output = command(shelf, folder, arguments).stderr(Stdio::piped()).output()?;
    if !output.status.success() {
        bail!("shelf {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(began.elapsed())
}

fn measure(shelf: &Path, folder: &Path) -> Result<()> {
    println!("binary                          {:.1} MB", fs::metadata(shelf)?.len() as f64 / 1e6);
    let copied =
        Command::new("cp").arg("-a").arg(root().join("examples/shop")).arg(folder).status()?;
    ensure!(copied.success(), "copying the shop");
    let (mut child, ready) = serve(shelf, folder)?;
    println!("server: start to first answer   {:.0} ms (empty)", ready.as_secs_f64() * 1e3);
    let cold = good(shelf, folder, &["go"])?;
    println!("go: first, nothing there        {:.1} s", cold.as_secs_f64());
    let mut idle = Vec::new();
    for _ in 0..5 {
        idle.push(good(shelf, folder, &["go"])?.as_secs_f64() * 1e3);
    }
    println!("go: nothing changed             {:.0} ms (median of 5)", median(&mut idle));
    let mut edits = Vec::new();
    for edition in 0..3 {
        edit(folder, edition)?;
        edits.push(good(shelf, folder, &["go"])?.as_secs_f64());
    }
    println!("go: one line of web changed     {:.1} s (median of 3)", median(&mut edits));
    good(shelf, folder, &["destroy", "--yes", "--delete-data", "shop"])?;
    let warm = good(shelf, folder, &["go"])?;
    println!("go: images there, new app       {:.1} s", warm.as_secs_f64());
    std::thread::sleep(Duration::from_secs(20));
    memory(child.id(), &instance(shelf, folder)?)?;
    let before = ticks(child.id())?;
    std::thread::sleep(Duration::from_secs(30));
    let spent = ticks(child.id())? - before;
    println!("server: processor at rest       {:.2} % of a core (30 s)", spent as f64 / 30.0);
    child.kill()?;
    child.wait()?;
    let (_child, again) = serve(shelf, folder)?;
    println!("server: start after kill -9     {:.0} ms (shop running)", again.as_secs_f64() * 1e3);
    Ok(())
}

fn serve(shelf: &Path, folder: &Path) -> Result<(Child, Duration)> {
    let began = Instant::now();
    let log = fs::File::options().create(true).append(true).open(folder.join("serve.log"))?;
    let mut child = Command::new(shelf)
        .arg("serve")
        .arg("--data-dir")
        .arg(folder.join("data"))
        .arg("--run-dir")
        .arg(folder.join("run"))
        .args(["--http", &format!("127.0.0.1:{HTTP_PORT}"), "--api", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn()?;
    while !command(shelf, folder, &["version", "--server"]).status()?.success() {
        if let Some(status) = child.try_wait()? {
            bail!("shelf serve ended: {status}\n{}", fs::read_to_string(folder.join("serve.log"))?);
        }
        ensure!(began.elapsed() < Duration::from_secs(60), "shelf serve does not answer");
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok((child, began.elapsed()))
}

fn edit(folder: &Path, edition: u32) -> Result<()> {
    let path = folder.join("shop/web/shop/__init__.py");
    let text = fs::read_to_string(&path)?;
    let new = text.replacen("VERSION = \"", &format!("VERSION = \"{edition} "), 1);
    ensure!(new != text, "{} has no VERSION line", path.display());
    fs::write(&path, new)?;
    Ok(())
}

/// Proportional set size and private memory of a process, in KiB.
fn pss(pid: u32) -> Option<(u64, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let field = |name: &str| -> u64 {
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
            .sum()
    };
    Some((field("Pss:"), field("Private_Dirty:")))
}

/// The six characters that everything of this server carries in the kernel.
fn instance(shelf: &Path, folder: &Path) -> Result<String> {
    let output =
        command(shelf, folder, &["version", "--server"]).stdout(Stdio::piped()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| line.trim().strip_prefix("instance"));
    Ok(line.context("the server does not say its instance")?.trim().to_owned())
}

fn memory(server: u32, instance: &str) -> Result<()> {
    let (pss_kib, _) = pss(server).context("the server's memory")?;
    println!("server: memory at rest          {:.1} MiB PSS", pss_kib as f64 / 1024.0);
    let mut keepers = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let Some((pss_kib, private_kib)) = pss(pid) else { continue };
        let groups = fs::read_to_string(entry.path().join("cgroup")).unwrap_or_default();
        let ours = groups.contains(&format!("shelf-{instance}"));
        if line.contains("shelf-door") && line.contains("shelf-measure") {
            println!("front door: memory at rest      {:.1} MiB PSS", pss_kib as f64 / 1024.0);
        } else if ours && line.contains("shelf-zygote") {
            keepers.push((pss_kib, private_kib));
        }
    }
    ensure!(!keepers.is_empty(), "no keeper was found");
    let count = keepers.len() as f64;
    let mean = |pick: fn(&(u64, u64)) -> u64| keepers.iter().map(pick).sum::<u64>() as f64 / count;
    println!(
        "zygote and keepers ({count})         {:.0} KiB PSS each, {:.0} KiB private",
        mean(|keeper| keeper.0),
        mean(|keeper| keeper.1)
    );
    Ok(())
}

/// Processor time of a process in hundredths of a second.
fn ticks(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, rest) = text.rsplit_once(") ").context("a stat line")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    let field = |place: usize| fields.get(place).and_then(|field| field.parse::<u64>().ok());
    Ok(field(11).context("utime")? + field(12).context("stime")?)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
