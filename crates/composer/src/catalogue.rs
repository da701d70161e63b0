//! What is on the shelf: modules and interfaces, as texts that someone else read from disk; and the
//! other apps of the target, which wires may reach.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::interface::{Interface, InterfaceName};
use crate::module::Module;
use crate::version;

/// The modules and interfaces an app may use. A copy costs little: it shares what was read.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    /// By name, the newest version first.
    modules: BTreeMap<String, Vec<Arc<Module>>>,
    /// Modules in the app's own folder, by path as the app writes it.
    local: BTreeMap<String, Arc<Module>>,
    interfaces: BTreeMap<String, Arc<Interface>>,
    /// Names of those that modules brought along.
    brought: BTreeSet<String>,
    apps: BTreeMap<String, Arc<Graph>>,
    /// What the words of an app mean that name no catalogue: `redis@7` to name and version.
    meant: BTreeMap<String, (String, String)>,
}

impl Catalogue {
    /// Adds a module by the text of its `module.toml`. `path` is only used in messages. A module
    /// may be there in several versions; the same version again replaces the old text.
    pub fn add_module(&mut self, path: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let module = Module::parse(path, text)?;
        let versions = self.modules.entry(module.name.clone()).or_default();
        versions.retain(|other| other.version != module.version);
        versions.push(Arc::new(module));
        versions.sort_by(|a, b| version::order(&b.version, &a.version));
        Ok(())
    }

    /// Adds a module of another catalogue under that one's name: `team/redis`. `path` is only used
    /// in messages.
    pub fn add_taken(
        &mut self,
        catalogue: &str,
        path: &str,
        text: &str,
    ) -> Result<(), Vec<Diagnostic>> {
        let mut module = Module::parse(path, text)?;
        module.name = format!("{catalogue}/{}", module.name);
        let versions = self.modules.entry(module.name.clone()).or_default();
        versions.retain(|other| other.version != module.version);
        versions.push(Arc::new(module));
        versions.sort_by(|a, b| version::order(&b.version, &a.version));
        Ok(())
    }

    /// Says what an app means with `used`, such as `redis@7`: a module by its name here and its
    /// exact version.
    pub fn mean(&mut self, used: &str, name: &str, version: &str) {
        self.meant.insert(used.to_owned(), (name.to_owned(), version.to_owned()));
    }

    /// The module that an app means with `used`, such as `postgres@15`.
    pub fn used(&self, used: &str) -> Option<&Module> {
        if let Some((name, exact)) = self.meant.get(used) {
            let mut versions = self.modules.get(name)?.iter().map(Arc::as_ref);
            return versions.find(|module| module.version == *exact);
        }
        match used.split_once('@') {
            Some((name, wanted)) => self.module_version(name, wanted),
            None => self.module(used),
        }
    }

    /// Adds a module that lies in the app's own folder, at the path that the app names
    /// (`module = "./db"`). `path` is that path.
    pub fn add_local(&mut self, path: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let module = Module::parse(&format!("{path}/module.toml"), text)?;
        self.local.insert(path.to_owned(), Arc::new(module));
        Ok(())
    }

    /// Adds an interface by the text of its file. `path` is only used in messages.
    pub fn add_interface(&mut self, path: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let interface = Interface::parse(path, text)?;
        self.interfaces.insert(interface.name.clone(), Arc::new(interface));
        Ok(())
    }

    /// The files in which a module brings along the types of its wires that are not of the shelf:
    /// for `weather/1`, `interfaces/weather.toml` in its folder.
    pub fn brought_by(&self, module: &Module) -> BTreeSet<String> {
        let shape = &module.shape;
        let needs = shape.needs.iter().map(|need| &need.interface.value);
        let offers = shape.provides.iter().map(|offer| &offer.interface.value);
        let foreign = |name: &&InterfaceName| {
            let name = name.to_string();
            !self.interfaces.contains_key(&name) || self.brought.contains(&name)
        };
        needs
            .chain(offers)
            .filter(foreign)
            .map(|one| format!("interfaces/{}.toml", one.name))
            .collect()
    }

    /// Adds an interface that a module brings along, by the text of its file. One of that name that
    /// is there already must be the same, for a wire has a module at either end. `path` is only
    /// used in messages.
    pub fn bring_interface(&mut self, path: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let interface = Interface::parse(path, text)?;
        match self.interfaces.get(&interface.name) {
            Some(known) if **known != interface => {
                let message =
                    format!("{path} has another {} than there is already", interface.name);
                let (code, sides) = ("interface/differs".to_owned(), Vec::new());
                let found = Diagnostic { code, message, span: None, sides, help: Vec::new() };
                Err(vec![found.help("give it a name or a major of its own", "")])
            }
            Some(_) => Ok(()),
            None => {
                self.brought.insert(interface.name.clone());
                self.interfaces.insert(interface.name.clone(), Arc::new(interface));
                Ok(())
            }
        }
    }

    /// Adds another app of the target, as it last came up, so that wires may reach it.
    pub fn add_app(&mut self, graph: Graph) {
        self.apps.insert(graph.app.clone(), Arc::new(graph));
    }

    /// The newest version of the module of this name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)?.first().map(Arc::as_ref)
    }

    /// The newest version of a module that keeps a limit such as `15` or `>=14`.
    pub fn module_version(&self, name: &str, wanted: &str) -> Option<&Module> {
        let versions = self.modules.get(name)?;
        versions
            .iter()
            .map(Arc::as_ref)
            .find(|module| version::keeps(&module.version, wanted) == Some(true))
    }

    /// The versions of a module that are newer than this one, the newest first.
    pub fn newer<'a>(&'a self, name: &str, version: &'a str) -> impl Iterator<Item = &'a Module> {
        let versions = self.modules.get(name).map(Vec::as_slice).unwrap_or_default();
        versions
            .iter()
            .map(Arc::as_ref)
            .filter(move |module| version::order(&module.version, version).is_gt())
    }

    /// The module at a path in the app's own folder.
    pub(crate) fn local(&self, path: &str) -> Option<&Module> {
        self.local.get(path).map(Arc::as_ref)
    }

    /// The interface of this name with its major, such as `postgres/1`.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.get(name).map(Arc::as_ref)
    }

    /// Another app of the target.
    pub fn app(&self, name: &str) -> Option<&Graph> {
        self.apps.get(name).map(Arc::as_ref)
    }

    /// All modules by name, the newest version of each first.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.modules.values().flatten().map(Arc::as_ref)
    }

    /// All interfaces, by name.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values().map(Arc::as_ref)
    }

    /// The other apps of the target, by name.
    pub(crate) fn apps(&self) -> impl Iterator<Item = &Graph> {
        self.apps.values().map(Arc::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "module = \"bucket\"\nversion = \"1.2.0\"\n\
        build = \".\"\n[provides.http]\ntype = \"http/1\"\nport = 80\n\
        [assumes]\none = { says = \"One.\", if-not = \"Two.\" }\n";

    #[test]
    fn a_module_brings_the_types_of_its_wires_and_all_agree_on_them() {
        let mut shelf = Catalogue::default();
        let http = "interface = \"http/1\"\nsummary = \"x\"\n[fields]\nhost = \"host\"\n";
        shelf.add_interface("http.toml", http).unwrap();
        let text = "module = \"w\"\nversion = \"1.0.0\"\nsummary = \"w\"\nbuild = \".\"\n\
                    [provides.a]\ntype = \"http/1\"\nport = 80\n\
                    [provides.b]\ntype = \"weather/1\"\nport = 80\n\
                    [assumes]\none = { says = \"One.\", if-not = \"set x\" }\n";
        let module = Module::parse("module.toml", text).unwrap();
        let files: Vec<String> = shelf.brought_by(&module).into_iter().collect();
        assert_eq!(files, ["interfaces/weather.toml"]);
        let weather = http.replace("http/1", "weather/1");
        shelf.bring_interface(&files[0], &weather).unwrap();
        assert!(shelf.interface("weather/1").is_some());
        // The next one that brings it is read too, and must say the same.
        assert_eq!(shelf.brought_by(&module).len(), 1);
        shelf.bring_interface(&files[0], &weather).unwrap();
        for other in [&weather.replace("host =", "port ="), &http.replace("host =", "port =")] {
            let wrong = shelf.bring_interface("x.toml", other).unwrap_err();
            assert_eq!(wrong[0].code, "interface/differs");
        }
    }

    #[test]
    fn a_name_alone_means_what_it_is_said_to_mean() {
        let mut shelf = Catalogue::default();
        shelf.add_module("a", TEXT).unwrap();
        let version = |shelf: &Catalogue, used: &str| {
            shelf.used(used).map(|module| format!("{} {}", module.name, module.version))
        };
        assert_eq!(version(&shelf, "bucket@1").as_deref(), Some("bucket 1.2.0"));
        shelf.add_taken("team", "b", &TEXT.replace("1.2.0", "1.9.0")).unwrap();
        // Nothing changes for who names no catalogue.
        assert_eq!(version(&shelf, "bucket@1").as_deref(), Some("bucket 1.2.0"));
        assert_eq!(version(&shelf, "team/bucket").as_deref(), Some("team/bucket 1.9.0"));
        assert_eq!(version(&shelf, "team/bucket@2"), None);
        shelf.mean("bucket@1", "team/bucket", "1.9.0");
        assert_eq!(version(&shelf, "bucket@1").as_deref(), Some("team/bucket 1.9.0"));
        assert_eq!(version(&shelf, "bucket").as_deref(), Some("bucket 1.2.0"));
    }
}
