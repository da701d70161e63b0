//! What is on the shelf: modules and interfaces, as texts that someone else read from disk.

use std::collections::BTreeMap;

use crate::diagnostic::Diagnostic;
use crate::interface::Interface;
use crate::module::Module;

/// The modules and interfaces an app may use.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    modules: BTreeMap<String, Module>,
    interfaces: BTreeMap<String, Interface>,
}

impl Catalogue {
    /// Adds a module by the text of its `module.toml`. `path` is only used in messages.
    pub fn add_module(&mut self, path: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let module = Module::parse(path, text)?;
        self.modules.insert(module.name.clone(), module);
        Ok(())
    }

    /// Adds an interface by the text of its file. `path` is only used in messages.
    pub fn add_interface(&mut self, path: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let interface = Interface::parse(path, text)?;
        self.interfaces.insert(interface.name.clone(), interface);
        Ok(())
    }

    /// The module of this name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// The interface of this name with its major, such as `postgres/1`.
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        self.interfaces.get(name)
    }

    /// All modules, by name.
    pub fn modules(&self) -> impl Iterator<Item = &Module> {
        self.modules.values()
    }

    /// All interfaces, by name.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        self.interfaces.values()
    }
}
