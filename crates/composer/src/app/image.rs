//! Blocks that run an image somebody else built: what the image says of itself stands in for what
//! the app file leaves out.

use serde::{Deserialize, Serialize};

use super::{App, Block, Origin};
use crate::diagnostic::Diagnostic;
use crate::shape::{Assumption, Process};
use crate::source::Spanned;

/// What an image says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// TCP ports it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// Folders it wants to keep.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<String>,
}

impl App {
    /// The images that its blocks run, as written. Whoever asks registries gives what each says of
    /// itself to [`App::give_image`].
    pub fn images(&self) -> Vec<&str> {
        let all = self.blocks.iter().filter_map(|block| match &block.from {
            Origin::Image(image) => Some(image.value.as_str()),
            _ => None,
        });
        let mut all: Vec<&str> = all.collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Gives what an image that [`App::images`] listed says of itself: a process without a port and
    /// without a command of its own gets the only port of the image; a folder that the image wants
    /// to keep and that is on no disk becomes an assumption.
    pub fn give_image(&mut self, image: &str, opened: &Opened) {
        for block in &mut self.blocks {
            match &block.from {
                Origin::Image(named) if named.value == image => {
                    let named = named.clone();
                    block.open(&named, opened);
                }
                _ => {}
            }
        }
    }

    /// A refusal of an image, at the line that names it.
    pub fn image_refused(
        &self,
        image: &str,
        code: &str,
        why: &str,
        hint: Option<&str>,
    ) -> Option<Diagnostic> {
        let named =
            |block: &&Block| matches!(&block.from, Origin::Image(one) if one.value == image);
        let block = self.blocks.iter().find(named)?;
        let Origin::Image(named) = &block.from else { return None };
        let message = format!("the image of {} cannot be had: {why}", block.name.value);
        let wrong = Diagnostic::new(code, &named.span, message);
        Some(match hint {
            Some(hint) => wrong.help(hint, ""),
            None => wrong,
        })
    }
}

impl Block {
    fn open(&mut self, image: &Spanned<String>, opened: &Opened) {
        if let [port] = opened.ports.as_slice() {
            let port = Spanned::new(i64::from(*port), image.span.clone());
            if self.shape.run.is_empty() && self.shape.provides.is_empty() {
                self.shape.run.push(Process {
                    name: self.name.clone(),
                    run: None,
                    port: None,
                    paths: Vec::new(),
                    copies: None,
                    ready: None,
                    every: None,
                    env: Vec::new(),
                });
            }
            let bare =
                |one: &&mut Process| one.run.is_none() && one.port.is_none() && one.every.is_none();
            if let Some(process) = self.shape.run.iter_mut().find(bare) {
                process.port = Some(port);
            }
        }
        let disks = self.shape.disks.iter().filter_map(|disk| disk.at.as_ref());
        let places = disks.chain(self.shape.needs.iter().filter_map(|need| need.at.as_ref()));
        let places: Vec<String> = places.map(|at| at.value.clone()).collect();
        let holds = |at: &String, folder: &str| {
            folder == at
                || folder.strip_prefix(at.as_str()).is_some_and(|rest| rest.starts_with('/'))
        };
        let on_disk = |folder: &str| places.iter().any(|at| holds(at, folder));
        for folder in opened.volumes.iter().filter(|folder| !on_disk(folder)) {
            let last = folder.rsplit('/').next().unwrap_or_default();
            let clean =
                |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
            let name: String = last.chars().map(clean).collect();
            self.assumes.push(Assumption {
                name: Spanned::new(format!("keeps-{name}"), image.span.clone()),
                says: format!("What it writes to {folder} may be lost with its copy."),
                if_not: format!("disk = {{ {name} = {{ at = \"{folder}\", size = \"1Gi\" }} }}"),
                when: None,
            });
        }
        self.opened = Some(opened.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Catalogue;

    const TEXT: &str = "app = \"x\"\n[web]\nimage = \"h.org:5000/a/web:1\"\n\
        run = { web = { path = \"/\" }, tick = { run = \"tick\" } }\n";

    fn app(text: &str) -> App {
        App::parse("app.toml", text).unwrap()
    }

    fn shelf() -> Catalogue {
        let mut shelf = Catalogue::default();
        shelf
            .add_interface("http.toml", "interface = \"http/1\"\n[fields]\nhost = \"host\"\n")
            .unwrap();
        shelf
    }

    #[test]
    fn the_only_port_of_an_image_is_its_process_s() {
        let mut app = app(TEXT);
        assert_eq!(app.images(), ["h.org:5000/a/web:1"]);
        let unseen = crate::check(&app, &shelf()).unwrap();
        assert_eq!(unseen.blocks[0].processes[0].port, None, "nobody has looked");
        let opened = Opened { ports: vec![8000], volumes: vec!["/data/x".into(), "/kept".into()] };
        app.give_image("h.org:5000/a/web:1", &opened);
        let graph = crate::check(&app, &shelf()).unwrap();
        let ports: Vec<Option<i64>> =
            graph.blocks[0].processes.iter().map(|one| one.port).collect();
        assert_eq!(ports, [Some(8000), None], "a command of its own may not listen");
        assert_eq!(graph.blocks[0].assumes.len(), 2);
        let bare = TEXT.split("run").next().unwrap();
        let mut bare = App::parse(
            "app.toml",
            &format!("{bare}disk = {{ d = {{ at = \"/data\", size = \"1Gi\" }} }}\n"),
        )
        .unwrap();
        bare.give_image("h.org:5000/a/web:1", &opened);
        let graph = crate::check(&bare, &shelf()).unwrap();
        assert_eq!(graph.blocks[0].processes[0].port, Some(8000));
        assert_eq!(graph.blocks[0].assumes.len(), 1, "/data/x is on a disk");
    }

    #[test]
    fn a_path_needs_a_port_once_the_image_is_known() {
        let mut app = app(TEXT);
        let opened = Opened { ports: vec![80, 443], volumes: Vec::new() };
        app.give_image("h.org:5000/a/web:1", &opened);
        let wrong = crate::check(&app, &shelf()).unwrap_err();
        assert_eq!(wrong[0].code, "run/path");
        assert!(wrong[0].sides[0].value.contains("80, 443"), "{wrong:?}");
    }

    #[test]
    fn what_names_no_image_is_refused() {
        for image in ["./web", "/web", "", "a b", "h.org/Web:1", "web\\n"] {
            let text = format!("app = \"x\"\n[web]\nimage = \"{image}\"\n");
            let wrong = App::parse("app.toml", &text).unwrap_err();
            assert_eq!(wrong[0].code, "block/image", "{image:?}");
        }
        for image in ["web", "web:1", "h.org:5000/a/b:T1", "localhost/a@sha256:0f"] {
            app(&format!("app = \"x\"\n[web]\nimage = \"{image}\"\n"));
        }
    }

    #[test]
    fn the_lock_knows_an_image_by_its_whole_name() {
        let lock =
            "[web]\nimage = \"h/a:1@sha256:".to_owned() + &"a".repeat(64) + "\"\nports = [80]\n";
        let lock = crate::lock::Lock::parse("app.lock", &lock).unwrap();
        assert_eq!(lock.image("h/a:1").unwrap().1.ports, [80]);
        assert!(lock.image("h/a").is_none() && lock.image("h/a:10").is_none());
        let again = crate::lock::Lock::parse("app.lock", &lock.to_text()).unwrap();
        assert_eq!(again, lock);
    }
}
