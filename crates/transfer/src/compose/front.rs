//! The block that people see: it gets the path `/`, or the one its labels name. Where next:
//! `labels.rs`.

use super::labels;
use super::place::Place;
use super::work::Work;
use crate::ledger::Verdict;

impl Work<'_> {
    /// Chooses which published port the app's address leads to.
    pub(super) fn choose_front(&mut self) {
        let mut routed = false;
        for index in 0..self.services.len() {
            routed |= self.route(index);
        }
        let mut seen: Vec<(u8, usize, String, u16)> = Vec::new();
        for index in 0..self.services.len() {
            let Place::Block(block) = &self.places[index] else { continue };
            let Some(listen) = self.listens[index].filter(|listen| listen.http) else { continue };
            let mut ports = self.services[index].ports.iter();
            let port = ports.find(|one| one.published && one.inside == listen.port && !one.udp);
            let Some(port) = port else { continue };
            let outside = port.outside.unwrap_or(port.inside);
            let rank = match outside {
                80 | 443 => 0,
                8080 | 8000 | 8443 => 1,
                3000 | 5000 | 4200 | 5173 => 2,
                _ => 3,
            };
            let name = ["web", "front", "nginx", "proxy", "gateway", "caddy"];
            let rank = rank * 2 + u8::from(!name.iter().any(|one| block.contains(one)));
            seen.push((rank, index, block.clone(), outside));
        }
        seen.sort();
        let many = seen.len() > 1;
        let first = (!routed).then(|| seen.first().map(|one| one.1)).flatten();
        for (_, index, block, outside) in seen {
            let ids: Vec<usize> = self.services[index]
                .ports
                .iter()
                .filter(|one| Some(one.inside) == self.listens[index].map(|one| one.port))
                .map(|one| one.id)
                .collect();
            let at = format!("{block}.run.{block}.port");
            let taken = self
                .draft
                .block(&block)
                .is_some_and(|one| !one.process(&one.name.clone()).paths.is_empty());
            let verdict = if first == Some(index) {
                if let Some(made) = self.draft.block(&block) {
                    made.process(&block).paths = vec!["/".to_owned()];
                }
                self.front = Some((block.clone(), outside));
                match many {
                    false => Verdict::mapped(at).why("people reach it at the app's address"),
                    true => Verdict::guessed(
                        at,
                        "of several ports that were published, the app's address leads here",
                    ),
                }
            } else if taken {
                Verdict::mapped(at)
            } else {
                Verdict::guessed(
                    at,
                    format!("it has no address of its own, so {outside} is not published"),
                )
                .next(format!("a path of the app's address:  shelf url {block} /{block}/"))
            };
            for id in ids {
                self.ledger.say_of(id, verdict.clone());
            }
        }
        // Ports that lead nowhere people can see.
        for index in 0..self.services.len() {
            if let Place::Block(block) = &self.places[index] {
                let at = self.listens[index].map(|listen| match listen.http {
                    true => format!("{block}.run.{block}.port"),
                    false => format!("{block}.provides.{block}.port"),
                });
                for port in &self.services[index].ports {
                    let why = "only blocks that are wired to it reach it, not the outside";
                    let Some(at) = at.clone() else { continue };
                    self.ledger.say_of(port.id, Verdict::guessed(at, why));
                }
            }
        }
    }

    /// Takes host and path from a service's labels; says whether there were any.
    fn route(&mut self, index: usize) -> bool {
        let Place::Block(block) = self.places[index].clone() else { return false };
        let node = self.services[index].node.clone();
        let Some(labels) = node.get("labels") else { return false };
        let http = self.listens[index].is_some_and(|listen| listen.http);
        if !labels::is_routed(labels) || !http {
            return false;
        }
        let routed = labels::read(labels);
        if let Some(host) =
            routed.host.filter(|host| host.contains('.') && !host.ends_with("localhost"))
            && self.draft.url.is_none()
        {
            self.draft.url = Some(format!("https://{}", host.to_ascii_lowercase()));
            self.ledger.notes.push(format!(
                "the address {host} is from the labels of {block}; without the line url in app.toml, the target gives one"
            ));
        }
        let path =
            routed.path.filter(|path| path.starts_with('/')).unwrap_or_else(|| "/".to_owned());
        if let Some(made) = self.draft.block(&block) {
            made.process(&block).paths = vec![path];
        }
        for id in routed.ids {
            let at = format!("{block}.run.{block}.path");
            self.ledger
                .say_of(id, Verdict::guessed(at, "the front door here leads by host and path"));
        }
        if let Some(port) = self.services[index].ports.iter().find(|one| one.published) {
            self.front = Some((block, port.outside.unwrap_or(port.inside)));
        }
        true
    }
}
