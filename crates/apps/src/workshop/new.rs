//! `module new`: a folder that is a module from its first minute. With nothing asked for it serves
//! the files of its disk over HTTP and passes a trial; what an interface wants beyond that, such as
//! logins, is there as programs that say what is still to be written.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use composer::interface::{AttributeKind, FieldKind, Interface};
use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, stock};

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewModule {
    /// The module's name.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its files, in the order to be read.
    pub files: Vec<String>,
    /// What is still to be written, one line each.
    pub to_do: Vec<String>,
}

const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5"><rect x="4" y="4" width="16" height="16" rx="3"/><path d="M4 10h16"/></svg>
"##;

const ENTRY: &str = r#"#!/bin/sh
# Starts the server. Settings arrive as SETTING_<NAME>; what is written to the disk stays.
set -eu
[ -e /var/lib/NAME/index.html ] || echo "NAME is here" > /var/lib/NAME/index.html
busybox httpd -f -p 8080 -h /var/lib/NAME &
# The first process of a container gets no signal that it does not ask for.
trap 'kill $!' TERM INT
wait
"#;

const READY: &str = r#"#!/bin/bash
# Ends with 0 when the server answers.
exec 3<> /dev/tcp/127.0.0.1/8080
printf 'HEAD / HTTP/1.0\r\n\r\n' >&3
read -r -t 2 answer <&3
[[ $answer == HTTP/* ]]
"#;

const BACKUP: &str = r#"#!/bin/sh
# Writes everything to stdout.
set -eu
cd /var/lib/NAME
# Not the folder itself: its owner and times are the disk's.
find . -mindepth 1 -maxdepth 1 -print0 | tar --null --files-from=- -cf -
"#;

const RESTORE: &str = r#"#!/bin/sh
# Reads what backup.sh wrote from stdin and makes it so.
set -eu
find /var/lib/NAME -mindepth 1 -delete
exec tar -C /var/lib/NAME -xf -
"#;

const DOCKERFILE: &str = r#"FROM debian:12

# The user comes first, with a number that stays the same: its files are on a disk.
RUN groupadd --system --gid 999 NAME \
 && useradd --system --uid 999 --gid 999 --home-dir /var/lib/NAME --shell /bin/sh NAME

RUN apt-get update -o Acquire::Languages=none \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends busybox \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/cache/debconf/*-old /var/log/*.log

COPY --chmod=0755 *.sh /module/

RUN mkdir -p /var/lib/NAME && chown NAME:NAME /var/lib/NAME

USER 999:999
WORKDIR /var/lib/NAME
EXPOSE 8080
CMD ["/module/entry.sh"]
"#;

/// Makes a module called `name` in a new folder of that name in `parent`.
///
/// # Errors
/// The name is none, an interface is not known, or the folder is there already.
pub fn new_module(parent: &Path, name: &str, provides: &[String]) -> Result<NewModule> {
    let shelf = stock::catalogue()?;
    let http = ["http/1".to_owned()];
    let provides = if provides.is_empty() { &http[..] } else { provides };
    let mut interfaces: Vec<&Interface> = Vec::new();
    for wanted in provides {
        let Some(found) = shelf.interface(wanted) else {
            let known: Vec<&str> = shelf.interfaces().map(|one| one.name.as_str()).collect();
            let message = format!(
                "there is no interface {wanted}; there are {}; a new one is a file of the module: \
                 make it for another, and write interfaces/NAME.toml",
                known.join(", ")
            );
            return Err(Error::Unfit { code: "interface/unknown", message });
        };
        if found.fields.iter().any(|field| field.kind == FieldKind::Path) {
            let message =
                format!("{wanted} is a folder and needs no server: take shared-files, or fork it");
            return Err(Error::Unfit { code: "module/new", message });
        }
        interfaces.push(found);
    }
    let text = module_text(name, &interfaces);
    composer::Module::parse("module.toml", &text).map_err(Error::Wrong)?;
    let logins: Vec<&&Interface> = interfaces.iter().filter(|one| has_logins(one)).collect();
    let probed = interfaces.iter().any(|one| one.before_start);
    let mut files = vec![("module.toml", text), ("Dockerfile", DOCKERFILE.to_owned())];
    files.extend([("entry.sh", ENTRY.to_owned()), ("ready.sh", READY.to_owned())]);
    let mut to_do = Vec::new();
    if interfaces.iter().any(|one| one.name != "http/1") {
        to_do.push("entry.sh starts a server that answers HTTP: start your own".to_owned());
    }
    if !logins.is_empty() {
        files.push(("grant.sh", grant(&logins)));
        to_do.push("grant.sh: make, rotate and revoke a login on your server".to_owned());
    }
    if probed {
        files.push(("probe.sh", probe(&interfaces)));
        to_do.push("probe.sh: use the wire once with its own login".to_owned());
    }
    files.extend([("backup.sh", BACKUP.to_owned()), ("restore.sh", RESTORE.to_owned())]);
    files.push(("icon.svg", ICON.to_owned()));
    let folder = parent.join(name);
    let wrong = |source| Error::Write { path: folder.clone(), source };
    fs::create_dir(&folder).map_err(wrong)?;
    for (file, text) in &files {
        let path = folder.join(file);
        fs::write(&path, text.replace("NAME", name)).map_err(wrong)?;
        let mode = if file.ends_with(".sh") { 0o755 } else { 0o644 };
        fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).map_err(wrong)?;
    }
    let files = files.into_iter().map(|(file, _)| file.to_owned()).collect();
    Ok(NewModule { name: name.to_owned(), folder, files, to_do })
}

fn has_logins(interface: &Interface) -> bool {
    interface.fields.iter().any(|field| field.kind == FieldKind::Secret && !field.optional)
}

fn module_text(name: &str, interfaces: &[&Interface]) -> String {
    let mut text = format!(
        "module  = \"{name}\"\nversion = \"1.0.0\"                         # upstream version + your revision\n\
         summary = \"{name}, one server, one disk\"\naliases = []\ngroup   = \"data\"\n\
         icon    = \"icon.svg\"\nbuild   = \".\"\nuser    = 999\nstop-within = 10\n"
    );
    for interface in interfaces {
        let short = interface.name.split('/').next().unwrap_or_default();
        text.push_str(&format!(
            "\n[provides.{short}]\ntype = \"{}\"\nport = 8080\n",
            interface.name
        ));
        for attribute in interface.attributes.iter().filter(|one| !one.optional) {
            let value = match attribute.kind {
                AttributeKind::Version => "\"1.0\"",
                AttributeKind::Set => "[]",
                AttributeKind::Text => "\"none\"",
            };
            text.push_str(&format!("{} = {value}\n", attribute.name));
        }
        let given = |kind: &FieldKind| matches!(kind, FieldKind::Text | FieldKind::Pem);
        for field in interface.fields.iter().filter(|one| !one.optional && given(&one.kind)) {
            text.push_str(&format!("{} = \"none\"\n", field.name));
        }
        if has_logins(interface) {
            text.push_str("grant = \"grant.sh\"                        # login per wire: grant, rotate, revoke\n");
        }
        if interface.before_start {
            text.push_str("probe = \"probe.sh\"                        # tries a wire once with its own login\n");
        }
    }
    text.push_str(&format!(
        "\n[settings]\nsize   = {{ default = \"1Gi\",   help = \"Disk for the data. Can grow, never shrink.\" }}\n\
         memory = {{ default = \"128Mi\", help = \"What it may use.\" }}\n\n\
         [disk.data]\nat   = \"/var/lib/{name}\"\nsize = \"{{size}}\"\n\n\
         [check]\nready = \"/module/ready.sh\"\n\n\
         [data]\nbackup  = \"/module/backup.sh\"\nrestore = \"/module/restore.sh\"\n\n\
         [assumes]\nsingle  = {{ says = \"One server. Losing its node means minutes of downtime.\", if-not = \"restore a backup on another node\" }}\n\
         fits    = {{ says = \"The data fits on one disk.\",                            if-not = \"set size\" }}\n"
    ));
    text
}

/// The values that a program gets of the wires it is for.
fn wanted(interfaces: &[&Interface]) -> String {
    let mut names: Vec<String> = interfaces
        .iter()
        .flat_map(|interface| &interface.fields)
        .filter(|field| !field.optional && !matches!(field.kind, FieldKind::Derived { .. }))
        .map(|field| format!("\"${{WIRE_{}:?}}\"", field.name.to_uppercase().replace('-', "_")))
        .collect();
    names.sort();
    names.dedup();
    names.join(" ")
}

fn grant(logins: &[&&Interface]) -> String {
    let interfaces: Vec<&Interface> = logins.iter().map(|one| **one).collect();
    format!(
        "#!/bin/sh\n# One login per wire. Harmless to repeat.\n#\n\
         #   grant    create or bring up to date\n\
         #   rotate   add a second login, WIRE_NEXT_<FIELD>, with the same rights\n\
         #   revoke   take the login of WIRE_<FIELD> away; what it made stays\n#\n\
         # The server is at WIRE_HOST:WIRE_PORT; it may still be starting, so wait for it.\n\
         set -eu\n: {}\n\ncase \"${{1:-grant}}\" in\ngrant|rotate|revoke)\n    \
         echo \"NAME: grant.sh does not make logins yet ($1)\" >&2\n    exit 1\n    ;;\n*)\n    \
         echo \"usage: grant.sh grant|rotate|revoke\" >&2\n    exit 2\n    ;;\nesac\n",
        wanted(&interfaces)
    )
}

fn probe(interfaces: &[&Interface]) -> String {
    format!(
        "#!/bin/sh\n# Tries a wire once, with the wire's own login over the network.\nset -eu\n: {}\n\n\
         echo \"NAME: probe.sh does not try the wire yet\" >&2\nexit 1\n",
        wanted(interfaces)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workshop::inspect;

    #[test]
    fn a_new_module_of_every_interface_passes_the_linter() {
        let dir = tempfile::tempdir().unwrap();
        for interface in stock::catalogue().unwrap().interfaces() {
            let name = format!("my-{}", interface.name.split('/').next().unwrap());
            match new_module(dir.path(), &name, std::slice::from_ref(&interface.name)) {
                Ok(made) => {
                    let report = inspect(&made.folder).unwrap();
                    assert!(report.passed, "{name}: {:?}", report.checks);
                    assert_eq!(made.to_do.is_empty(), interface.name == "http/1", "{name}");
                }
                Err(error) => assert_eq!(interface.name, "files/1", "{error}"),
            }
        }
        assert!(new_module(dir.path(), "my-redis", &[]).is_err(), "it is there already");
        for name in ["../x", "Big", ""] {
            assert!(new_module(dir.path(), name, &[]).is_err(), "{name}");
        }
        let wrong = new_module(dir.path(), "x", &["postgrs/1".into()]).unwrap_err();
        assert_eq!(wrong.report().code, "interface/unknown");
    }
}
