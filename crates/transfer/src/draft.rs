//! An app file that is being put together from a foreign one, and how it is written.
//!
//! Plain data: what the importers fill in, in the words of the app language. Where next:
//! `compose.rs` and `manifests.rs`, which fill it.

use std::fmt::Write as _;

/// An app.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) url: Option<String>,
    pub(crate) blocks: Vec<Block>,
}

/// A block.
#[derive(Debug, Default)]
pub(crate) struct Block {
    pub(crate) name: String,
    /// `use`, `source` or `image`, and its value.
    pub(crate) from: (&'static str, String),
    /// Key and value as TOML of how a source is built.
    pub(crate) build: Vec<(&'static str, String)>,
    pub(crate) user: Option<i64>,
    pub(crate) stop_within: Option<u64>,
    /// Socket, the value as TOML, and the block that it is tied to.
    pub(crate) needs: Vec<(String, String, String)>,
    /// Settings of a module, as TOML.
    pub(crate) set: Vec<(String, String)>,
    /// `memory` and `cpu` of a block of one's own.
    pub(crate) settings: Vec<(String, String)>,
    /// Name, place, size and whether it is shared.
    pub(crate) disks: Vec<Disk>,
    pub(crate) secrets: Vec<Secret>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) before: Vec<Step>,
    pub(crate) run: Vec<Process>,
    /// Offers besides processes: name, interface and port.
    pub(crate) provides: Vec<(String, String, u16)>,
    /// A command that says whether it is ready; only without `run`.
    pub(crate) check: Option<String>,
}

/// A step before the start: its name, its command, its environment.
pub(crate) type Step = (String, String, Vec<(String, String)>);

/// A disk of a block.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(crate) name: String,
    pub(crate) at: String,
    pub(crate) size: String,
    pub(crate) shared: bool,
}

/// A secret of a block.
#[derive(Debug, Default)]
pub(crate) struct Secret {
    pub(crate) name: String,
    /// `random:50`; a person gives it otherwise.
    pub(crate) generate: Option<String>,
    pub(crate) at: Option<String>,
}

/// A process of a block.
#[derive(Debug, Default)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) run: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) paths: Vec<String>,
    pub(crate) ready: Option<String>,
    pub(crate) copies: Option<String>,
    pub(crate) every: Option<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl Draft {
    /// The block of this name.
    pub(crate) fn block(&mut self, name: &str) -> Option<&mut Block> {
        self.blocks.iter_mut().find(|block| block.name == name)
    }

    /// The app file.
    pub(crate) fn text(&self) -> String {
        let mut out = format!("app = {}\n", string(&self.name));
        if let Some(url) = &self.url {
            let _ = writeln!(out, "url = {}", string(url));
        }
        for block in &self.blocks {
            block.write(&mut out);
        }
        out
    }
}

impl Block {
    /// A process of it, made if it is not there.
    pub(crate) fn process(&mut self, name: &str) -> &mut Process {
        let at = self.run.iter().position(|one| one.name == name).unwrap_or_else(|| {
            self.run.push(Process { name: name.to_owned(), ..Process::default() });
            self.run.len() - 1
        });
        &mut self.run[at]
    }

    /// Needs `interface` of `provider` under a name; says which, and keeps the first.
    pub(crate) fn need(&mut self, socket: &str, interface: &str, provider: &str) {
        self.need_toml(socket, &string(interface), provider);
    }

    /// The same, with the need as TOML.
    pub(crate) fn need_toml(&mut self, socket: &str, need: &str, provider: &str) {
        if !self.needs.iter().any(|(name, _, _)| name == socket) {
            self.needs.push((socket.to_owned(), need.to_owned(), provider.to_owned()));
        }
    }

    fn write(&self, out: &mut String) {
        let _ = writeln!(out, "\n[{}]\n{} = {}", self.name, self.from.0, string(&self.from.1));
        for (key, value) in &self.build {
            let _ = writeln!(out, "{key} = {value}");
        }
        if let Some(user) = self.user {
            let _ = writeln!(out, "user = {user}");
        }
        if let Some(seconds) = self.stop_within {
            let _ = writeln!(out, "stop-within = {seconds}");
        }
        if let Some(check) = &self.check {
            let _ = writeln!(out, "check = {{ ready = {} }}", string(check));
        }
        let pairs = |list: &[(String, String, String)],
                     value: fn(&(String, String, String)) -> String| {
            let pairs: Vec<String> =
                list.iter().map(|one| format!("{} = {}", key(&one.0), value(one))).collect();
            pairs.join(", ")
        };
        if !self.needs.is_empty() {
            let _ = writeln!(out, "needs = {{ {} }}", pairs(&self.needs, |one| one.1.clone()));
            let _ = writeln!(out, "wire = {{ {} }}", pairs(&self.needs, |one| string(&one.2)));
        }
        if !self.set.is_empty() {
            let set: Vec<String> =
                self.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            let _ = writeln!(out, "set = {{ {} }}", set.join(", "));
        }
        self.write_tables(out);
    }

    fn write_tables(&self, out: &mut String) {
        let block = &self.name;
        let mut table = |name: &str, lines: Vec<String>| {
            if !lines.is_empty() {
                let _ = writeln!(out, "\n[{block}.{name}]\n{}", lines.join("\n"));
            }
        };
        let settings = self.settings.iter().map(|(name, value)| {
            format!("{name} = {{ default = {}, help = \"What a copy may use.\" }}", string(value))
        });
        table("settings", settings.collect());
        let provides = self.provides.iter().map(|(name, interface, port)| {
            format!("{name} = {{ type = {}, port = {port} }}", string(interface))
        });
        table("provides", provides.collect());
        let disks = self.disks.iter().map(|disk| {
            let shared = if disk.shared { ", access = \"shared\"" } else { "" };
            let (at, size) = (string(&disk.at), string(&disk.size));
            format!("{} = {{ at = {at}, size = {size}{shared} }}", disk.name)
        });
        table("disk", disks.collect());
        let secrets = self.secrets.iter().map(|secret| {
            let how = match &secret.generate {
                Some(recipe) => format!("generate = {}", string(recipe)),
                None => "given = true".to_owned(),
            };
            let at =
                secret.at.as_ref().map_or(String::new(), |at| format!(", at = {}", string(at)));
            format!("{} = {{ {how}{at} }}", key(&secret.name))
        });
        table("secrets", secrets.collect());
        table("env", self.env.iter().map(variable).collect());
        let before = self.before.iter().map(|(name, run, env)| match env.is_empty() {
            true => format!("{name} = {}", string(run)),
            false => format!("{name} = {{ run = {}, env = {} }}", string(run), inline(env)),
        });
        table("before", before.collect());
        table("run", self.run.iter().map(Process::line).collect());
    }
}

impl Process {
    fn line(&self) -> String {
        let mut parts = Vec::new();
        if let Some(run) = &self.run {
            parts.push(format!("run = {}", string(run)));
        }
        if let Some(port) = self.port {
            parts.push(format!("port = {port}"));
        }
        match self.paths.as_slice() {
            [] => {}
            [one] => parts.push(format!("path = {}", string(one))),
            many => {
                let many: Vec<String> = many.iter().map(|path| string(path)).collect();
                parts.push(format!("path = [{}]", many.join(", ")));
            }
        }
        if let Some(ready) = &self.ready {
            parts.push(format!("ready = {}", string(ready)));
        }
        if let Some(copies) = &self.copies {
            parts.push(format!("copies = {copies}"));
        }
        if let Some(every) = &self.every {
            parts.push(format!("every = {}", string(every)));
        }
        if !self.env.is_empty() {
            parts.push(format!("env = {}", inline(&self.env)));
        }
        match parts.is_empty() {
            true => format!("{} = {{}}", self.name),
            false => format!("{} = {{ {} }}", self.name, parts.join(", ")),
        }
    }
}

fn variable((name, value): &(String, String)) -> String {
    format!("{} = {}", key(name), string(value))
}

/// Pairs as an inline table.
pub(crate) fn inline(env: &[(String, String)]) -> String {
    let pairs: Vec<String> = env.iter().map(variable).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// A key, quoted if it must be.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => string(name),
    }
}

/// A basic string of TOML.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
