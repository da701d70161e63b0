//! The environment of a block: what other services gave becomes wires, what is secret leaves the
//! file, the rest stays. Where next: `refer.rs`, `secret.rs`.

use super::known::Known;
use super::place::Place;
use super::refer;
use super::secret::{self, Kind};
use super::service::Variable;
use super::work::Work;
use crate::draft;
use crate::ledger::Verdict;
use crate::words::braces;

/// What a variable is about, as its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    User,
    Password,
    PasswordFile,
    Host,
    Port,
    Database,
    Bucket,
    Region,
}

impl Role {
    /// The fields of wires that may fill it.
    fn fields(self) -> &'static [&'static str] {
        match self {
            Self::User => &["username", "access-key"],
            Self::Password | Self::PasswordFile => &["password", "secret-key"],
            Self::Host => &["host"],
            Self::Port => &["port"],
            Self::Database => &["database", "vhost"],
            Self::Bucket => &["bucket"],
            Self::Region => &["region"],
        }
    }
}

/// Ends of names, the longest first.
const ROLES: [(&str, Role); 24] = [
    ("SECRET_ACCESS_KEY", Role::Password),
    ("ACCESS_KEY_ID", Role::User),
    ("PASSWORD_FILE", Role::PasswordFile),
    ("DEFAULT_REGION", Role::Region),
    ("BUCKET_NAME", Role::Bucket),
    ("SECRET_KEY", Role::Password),
    ("ACCESS_KEY", Role::User),
    ("DB_NAME", Role::Database),
    ("USERNAME", Role::User),
    ("PASSWORD", Role::Password),
    ("HOSTNAME", Role::Host),
    ("DATABASE", Role::Database),
    ("DBNAME", Role::Database),
    ("SERVER", Role::Host),
    ("PASSWD", Role::Password),
    ("BUCKET", Role::Bucket),
    ("REGION", Role::Region),
    ("VHOST", Role::Database),
    ("USER", Role::User),
    ("PASS", Role::Password),
    ("HOST", Role::Host),
    ("PORT", Role::Port),
    ("NAME", Role::Database),
    ("DB", Role::Database),
];

/// What a name is about, and how it begins.
fn role(name: &str) -> Option<(Role, String)> {
    let upper = name.to_ascii_uppercase().replace("__", "_");
    let (end, role) = ROLES.iter().find(|(end, _)| upper.ends_with(end))?;
    let lead = upper[..upper.len() - end.len()].trim_end_matches('_').to_owned();
    Some((*role, lead))
}

/// Whether a name says that its value is a host, or where one is.
fn hostlike(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    let words = ["HOST", "SERVER", "ADDR", "ENDPOINT", "URL", "URI", "BROKER", "NODE", "UPSTREAM"];
    words.iter().any(|word| upper.contains(word))
}

/// A variable as the block has it.
struct Filled {
    name: String,
    /// None: the block's secret of this name gives it.
    text: Option<String>,
}

impl Work<'_> {
    /// Fills the environment of a block from those of all services that are part of it.
    pub(super) fn fill_environment(&mut self, block: &str) {
        let parts: Vec<usize> = (0..self.services.len())
            .filter(|index| self.places[*index].block() == Some(block))
            .collect();
        self.wire_waits(block, &parts);
        let everywhere = |one: &Variable| {
            parts.iter().all(|part| {
                let mut env = self.services[*part].env.iter();
                env.any(|other| other.name == one.name && other.value == one.value)
            })
        };
        let mut tasks: Vec<(usize, Variable, bool)> = Vec::new();
        for part in &parts {
            let env = &self.services[*part].env;
            tasks.extend(env.iter().map(|one| (*part, one.clone(), everywhere(one))));
        }
        let mut leads = Vec::new();
        for (_, one, _) in &tasks {
            let value = one.value.as_deref().unwrap_or_default();
            let found = refer::resolve(value, hostlike(&one.name), &self.others(block));
            if let (Some(found), Some((_, lead))) = (found, role(&one.name)) {
                leads.push((lead, self.others(block)[found.provider].socket.clone()));
            }
        }
        for (part, one, common) in tasks {
            let at = match (&self.places[part], common) {
                (_, true) => format!("{block}.env.{}", one.name),
                (Place::Step(_, step), false) => format!("{block}.before.{step}.env.{}", one.name),
                (Place::Process(_, process), false) => {
                    format!("{block}.run.{process}.env.{}", one.name)
                }
                _ => format!("{block}.run.{block}.env.{}", one.name),
            };
            let Some(filled) = self.variable(block, &one, &at, &leads) else { continue };
            let Some(text) = filled.text else { continue };
            self.put_variable(block, part, common, (filled.name, text));
        }
    }

    fn put_variable(&mut self, block: &str, part: usize, common: bool, pair: (String, String)) {
        let place = self.places[part].clone();
        let Some(draft) = self.draft.block(block) else { return };
        let list = match (place, common) {
            (_, true) => &mut draft.env,
            (Place::Step(_, step), false) => {
                let Some(step) = draft.before.iter_mut().find(|(name, _, _)| *name == step) else {
                    return;
                };
                &mut step.2
            }
            (Place::Process(_, process), false) => &mut draft.process(&process).env,
            _ => &mut draft.process(block).env,
        };
        if !list.iter().any(|(name, _)| *name == pair.0) {
            list.push(pair);
        }
    }

    /// Wires to those a service waits for.
    fn wire_waits(&mut self, block: &str, parts: &[usize]) {
        for part in parts {
            for (name, condition, id) in self.services[*part].waits.clone() {
                let other = self.services.iter().position(|one| one.name == name);
                let place = other.map(|other| self.places[other].clone());
                let socket = other.and_then(|other| self.provider_of[other]);
                let verdict = match (place, socket) {
                    (Some(Place::Step(..)), _) => {
                        Verdict::so_anyway("it is a step before the copies start")
                    }
                    (Some(place), _) if place.block() == Some(block) => {
                        Verdict::so_anyway("both are processes of one block")
                    }
                    (Some(Place::Left(why, next)), _) => Verdict::not(why).next(next),
                    (_, Some(provider)) => {
                        let provider = self.providers[provider].clone();
                        self.need(block, &provider);
                        let at = format!("{block}.needs.{}", provider.socket);
                        let waits = self.waits_for(&provider.interface);
                        match waits || condition == "service_started" {
                            true => Verdict::mapped(at),
                            false => Verdict::guessed(
                                at,
                                "blocks start side by side, and ask again until the other answers",
                            ),
                        }
                    }
                    (Some(_), None) => {
                        Verdict::not("it listens nowhere, so there is nothing to wait for")
                            .next("if it does listen, say where:  shelf url BLOCK / --port PORT")
                    }
                    (None, None) => Verdict::not(format!("there is no service {name}")),
                };
                self.ledger.say_of(id, verdict);
            }
        }
    }

    fn variable(
        &mut self,
        block: &str,
        one: &Variable,
        at: &str,
        leads: &[(String, String)],
    ) -> Option<Filled> {
        let name = one.name.clone();
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty()
            || !name.chars().all(good)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            let next = "give it another name that the program reads";
            self.ledger
                .say_of(one.id, Verdict::not("its name is none for a variable here").next(next));
            return None;
        }
        let Some(value) = one.value.clone() else {
            return self.value_elsewhere(block, one);
        };
        let others = self.others(block);
        if let Some(found) = refer::resolve(&value, hostlike(&name), &others) {
            let provider = &others[found.provider];
            self.need(block, provider);
            let mut text = found.text;
            let mut verdict = match found.doubt {
                None => Verdict::mapped(at),
                Some(doubt) => Verdict::guessed(at, doubt),
            };
            verdict = verdict.why(format!("of the wire to {}", provider.target));
            // A login that no wire makes is the program's own: its password leaves the file.
            let own = refer::password_of(&value).filter(|_| !provider.has("password"));
            if let Some((start, end)) = own {
                let secret = format!("{}_PASSWORD", name.to_ascii_uppercase());
                let password = value[start..end].to_owned();
                let named = format!(":{{secrets.{secret}}}@");
                text = text.replacen(&format!(":{}@", braces(&password)), &named, 1);
                self.give(block, &secret, Some(password), None);
                let why = "the password in it is not in the file; the server keeps it";
                let next = format!("shelf set {block} --secret {secret}");
                verdict = Verdict::guessed(at, why).next(next);
            }
            self.ledger.say_of(one.id, verdict);
            return Some(Filled { name, text: Some(text) });
        }
        if let Some(text) = self.by_role(block, one, at, leads) {
            return Some(Filled { name, text: Some(text) });
        }
        if let Some(text) = self.own_address(&value) {
            let why = "it named the address of this app; the app knows its own";
            self.ledger.say_of(one.id, Verdict::guessed(at, why));
            return Some(Filled { name, text: Some(text) });
        }
        self.secret_or_plain(block, one, &value, at)
    }

    /// A variable whose value is elsewhere, such as in the shell that started Compose.
    fn value_elsewhere(&mut self, block: &str, one: &Variable) -> Option<Filled> {
        let name = &one.name;
        if !one.secret && secret::kind(name, "") == Kind::Plain {
            let next = format!("shelf set {block} --env {name}=VALUE");
            let why = "its value is not in what was given";
            self.ledger.say_of(one.id, Verdict::not(why).next(next));
            return None;
        }
        self.give(block, name, None, None);
        let at = format!("{block}.secrets.{name}");
        let why = "its value is not in what was given";
        let next = format!("shelf set {block} --secret {name}");
        self.ledger.say_of(one.id, Verdict::guessed(at, why).next(next));
        Some(Filled { name: name.clone(), text: self.secret_text(name) })
    }

    /// A login, a port or a name that belongs to a wire, by what its name and value say.
    fn by_role(
        &mut self,
        block: &str,
        one: &Variable,
        at: &str,
        leads: &[(String, String)],
    ) -> Option<String> {
        let (role, lead) = role(&one.name)?;
        let value = one.value.as_deref().unwrap_or_default();
        let wired: Vec<usize> = (0..self.services.len())
            .filter(|index| self.services[*index].known.is_some())
            .filter(|index| self.provider_of[*index].is_some() && self.is_wired(block, *index))
            .collect();
        for index in wired {
            let provider = self.providers[self.provider_of[index]?].clone();
            let known = self.services[index].known?;
            let Some(field) = provider.first(role.fields()) else { continue };
            let begins =
                leads.iter().any(|(own, socket)| *own == lead && *socket == provider.socket)
                    || begins(&one.name, known);
            let same =
                !value.is_empty() && self.credentials(index, role).contains(&value.to_owned());
            let exact = same && matches!(role, Role::User | Role::Password | Role::Database);
            if !begins && !exact {
                continue;
            }
            // `REDIS_HOST=elsewhere` speaks of somebody else.
            if role == Role::Host || (role == Role::Database && !begins && value.len() < 3) {
                continue;
            }
            let text = match role {
                Role::PasswordFile => {
                    let name = provider.first(role.fields())?;
                    let name = name.trim_matches(['{', '}']).split('.').nth(1)?.to_owned();
                    format!("/bindings/{}/{name}", provider.socket)
                }
                _ => field,
            };
            let why = format!("of the wire to {}, which has a login of its own", provider.target);
            let verdict = match same || role == Role::Port {
                true => Verdict::mapped(at).why(why),
                false => Verdict::guessed(at, why),
            };
            self.ledger.say_of(one.id, verdict);
            return Some(text);
        }
        None
    }

    fn credentials(&self, index: usize, role: Role) -> Vec<String> {
        let service = &self.services[index];
        let Some(known) = service.known else { return Vec::new() };
        let names = match role {
            Role::User => known.user,
            Role::Password | Role::PasswordFile => known.password,
            Role::Database | Role::Bucket => known.database,
            _ => &[],
        };
        service.values(names).into_iter().map(str::to_owned).collect()
    }

    fn secret_or_plain(
        &mut self,
        block: &str,
        one: &Variable,
        value: &str,
        at: &str,
    ) -> Option<Filled> {
        let name = one.name.clone();
        if let Some((start, end)) = refer::password_of(value) {
            let secret = format!("{}_PASSWORD", name.to_ascii_uppercase());
            self.give(block, &secret, Some(value[start..end].to_owned()), None);
            let why = "the password in it is not in the file; the server keeps it";
            let next = format!("shelf set {block} --secret {secret}");
            self.ledger.say_of(one.id, Verdict::guessed(at, why).next(next));
            let (head, tail) = (braces(&value[..start]), braces(&value[end..]));
            return Some(Filled { name, text: Some(format!("{head}{{secrets.{secret}}}{tail}")) });
        }
        let kind = if one.secret { Kind::Secret } else { secret::kind(&name, value) };
        match kind {
            Kind::Plain => {
                self.ledger.say_of(one.id, Verdict::mapped(at));
                Some(Filled { name, text: Some(braces(value)) })
            }
            Kind::Placeholder if !self.is_elsewhere(block, value) => {
                let place = format!("{block}.secrets.{name}");
                if let Some(draft) = self.draft.block(block)
                    && !draft.secrets.iter().any(|secret| secret.name == name)
                {
                    let generate = Some("random:50".to_owned());
                    draft.secrets.push(draft::Secret { name: name.clone(), generate, at: None });
                }
                let why = "it looks like a value to be replaced: it is made once, and kept";
                self.ledger.say_of(one.id, Verdict::guessed(place, why));
                let text = self.secret_text(&name);
                Some(Filled { name, text })
            }
            Kind::Placeholder | Kind::Secret => {
                self.give(block, &name, Some(value.to_owned()), None);
                let place = format!("{block}.secrets.{name}");
                let why = "it looks secret, so it is not in the file; the server keeps it";
                let next = format!("shelf set {block} --secret {name}");
                self.ledger.say_of(one.id, Verdict::guessed(place, why).next(next));
                let text = self.secret_text(&name);
                Some(Filled { name, text })
            }
        }
    }

    /// A secret in capitals is in the environment by itself; another one must be named.
    fn secret_text(&self, name: &str) -> Option<String> {
        let capitals = !name.chars().any(|c| c.is_ascii_lowercase());
        (!capitals).then(|| format!("{{secrets.{name}}}"))
    }

    /// Whether another block has this value too.
    fn is_elsewhere(&self, block: &str, value: &str) -> bool {
        let others = self.services.iter().zip(&self.places);
        let mut others = others.filter(|(_, place)| place.block().is_some_and(|own| own != block));
        others.any(|(one, _)| one.env.iter().any(|one| one.value.as_deref() == Some(value)))
    }

    /// The app's own address, if a value names the port it was published on.
    fn own_address(&self, value: &str) -> Option<String> {
        let (front, port) = self.front.as_ref()?;
        let rest = value.strip_prefix("http://")?;
        let at = ["localhost", "127.0.0.1"].iter().find_map(|host| rest.strip_prefix(host))?;
        let rest = match at.strip_prefix(&format!(":{port}")) {
            Some(rest) => rest,
            None if *port == 80 => at,
            None => return None,
        };
        let fine = rest.is_empty() || rest.starts_with('/');
        (fine && !front.is_empty()).then(|| format!("{{url}}{}", braces(rest)))
    }
}

/// Whether a name begins like those of a module's users.
fn begins(name: &str, known: &Known) -> bool {
    let upper = name.to_ascii_uppercase();
    known.prefixes.iter().any(|prefix| {
        upper.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_') || *prefix == "PG")
    })
}
