//! How a service's folder is built: its Dockerfile, the stage, the values of `ARG`.

use super::secret::{self, Kind};
use super::work::Work;
use crate::draft;
use crate::ledger::Verdict;
use crate::yaml::Node;

impl Work<'_> {
    /// Takes over how service `index` is built, into the block that comes from its folder.
    pub(super) fn take_build(&mut self, index: usize, block: &str) {
        let Some(build) = &self.services[index].build else { return };
        let fine =
            |path: &String| !path.starts_with('/') && !path.split('/').any(|one| one == "..");
        let mut lines = Vec::new();
        if let Some(file) = build.file.as_ref().filter(|file| fine(file)) {
            lines.push(("dockerfile", draft::string(file)));
        }
        lines.extend(build.target.as_ref().map(|target| ("target", draft::string(target))));
        let args: Vec<(String, String)> = build
            .args
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), value.clone()?)))
            .filter(|(name, value)| secret::kind(name, value) == Kind::Plain)
            .collect();
        if !args.is_empty() {
            lines.push(("args", draft::inline(&args)));
        }
        if let Some(made) = self.draft.block(block) {
            made.build = lines;
        }
    }

    /// Says what became of everything about a build; `folder` is said of its folder.
    pub(super) fn say_build(&mut self, build: &Node, block: &str, folder: &Verdict) {
        if !build.is_map() {
            self.ledger.say(build, folder);
            return;
        }
        for (key, value) in build.entries() {
            let verdict = match key {
                "context" => folder.clone(),
                "dockerfile" => self.dockerfile_verdict(value, block),
                "target" => Verdict::mapped(format!("{block}.target")),
                "args" => {
                    self.say_args(value, block);
                    continue;
                }
                "cache_from" | "cache_to" | "no_cache" | "pull" => {
                    Verdict::so_anyway("the build has its own cache")
                }
                _ => Verdict::not("a build here has no such option"),
            };
            self.ledger.say(value, &verdict);
        }
    }

    fn dockerfile_verdict(&mut self, value: &Node, block: &str) -> Verdict {
        let name = value.text().unwrap_or_default().trim_start_matches("./");
        let taken = |made: &draft::Block| made.build.iter().any(|(key, _)| *key == "dockerfile");
        if self.draft.block(block).is_some_and(|made| taken(made)) {
            return Verdict::mapped(format!("{block}.dockerfile"));
        }
        if name == "Dockerfile" {
            return Verdict::mapped(format!("{block}.source"));
        }
        Verdict::not(format!("{name} is not inside the folder that is built"))
            .next("put it there, and say  dockerfile = \"…\"")
    }

    fn say_args(&mut self, args: &Node, block: &str) {
        let pairs: Vec<(String, Option<String>, &Node)> = args
            .items()
            .iter()
            .filter_map(|one| {
                let text = one.text()?;
                let (name, value) =
                    text.split_once('=').map_or((text, None), |(a, b)| (a, Some(b)));
                Some((name.to_owned(), value.map(str::to_owned), one))
            })
            .chain(
                args.entries()
                    .map(|(name, one)| (name.to_owned(), one.text().map(str::to_owned), one)),
            )
            .collect();
        for (name, value, node) in pairs {
            let verdict = match value {
                None => Verdict::not("its value comes from the shell that builds")
                    .next(format!("args = {{ {name} = \"…\" }}")),
                Some(value) if secret::kind(&name, &value) != Kind::Plain => {
                    Verdict::not("it looks secret, and a value of ARG stays readable in the image")
                        .next(format!("if it is none:  args = {{ {name} = \"…\" }}"))
                }
                Some(_) => Verdict::mapped(format!("{block}.args.{name}")),
            };
            self.ledger.say(node, &verdict);
        }
    }
}
