//! What images are made of, as SPDX 2.3: Debian's packages and Python's, as the image itself lists
//! them. Where next: `image`'s `look.rs`, which finds those lists without unpacking anything.

use std::collections::BTreeMap;

use image::{Image, Images};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Package {
    name: String,
    version: String,
    /// As <https://github.com/package-url/purl-spec> writes it.
    purl: String,
}

/// The list of parts of all images of an app, and how many packages it names.
pub(super) fn of_app(
    store: &Images,
    app: &str,
    at: &str,
    images: &BTreeMap<String, Image>,
) -> Result<(Vec<u8>, usize)> {
    let (mut packages, mut relations, mut count) = (Vec::new(), Vec::new(), 0);
    for (block, image) in images {
        let id = format!("SPDXRef-image-{block}");
        packages.push(json!({
            "SPDXID": id, "name": block, "versionInfo": image.digest,
            "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
            "primaryPackagePurpose": "CONTAINER",
            "checksums": [{
                "algorithm": "SHA256",
                "checksumValue": image.digest.trim_start_matches("sha256:"),
            }],
        }));
        relations.push(relation("SPDXRef-DOCUMENT", "DESCRIBES", &id));
        for package in packages_of(store, image)? {
            count += 1;
            let own = format!("SPDXRef-{block}-{count}");
            relations.push(relation(&id, "CONTAINS", &own));
            packages.push(json!({
                "SPDXID": own, "name": package.name, "versionInfo": package.version,
                "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
                "externalRefs": [{
                    "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                    "referenceLocator": package.purl,
                }],
            }));
        }
    }
    let digests: Vec<&str> = images.values().map(|image| image.digest.as_str()).collect();
    let unique = Sha256::digest(digests.join(" "));
    let unique: String = unique.iter().map(|byte| format!("{byte:02x}")).collect();
    let document = json!({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": app, "documentNamespace": format!("https://spdx.org/spdxdocs/{app}-{unique}"),
        "creationInfo": {
            "created": seconds(at),
            "creators": [concat!("Tool: shelf-", env!("CARGO_PKG_VERSION"))],
        },
        "packages": packages, "relationships": relations,
    });
    Ok((serde_json::to_vec_pretty(&document).unwrap_or_default(), count))
}

/// SPDX has no fractions of a second.
fn seconds(at: &str) -> String {
    at.split_once('.').map_or_else(|| at.to_owned(), |(whole, _)| format!("{whole}Z"))
}

fn relation(one: &str, kind: &str, other: &str) -> Value {
    json!({ "spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other })
}

fn packages_of(store: &Images, image: &Image) -> Result<Vec<Package>> {
    let listed = |path: &str| {
        path == "var/lib/dpkg/status"
            || path.starts_with("var/lib/dpkg/status.d/")
            || path.ends_with(".dist-info/METADATA")
    };
    let fails = |source| Error::Image { what: "look into an image".into(), source };
    let mut packages = Vec::new();
    for (path, bytes) in store.files(image, &listed).map_err(fails)? {
        let text = String::from_utf8_lossy(&bytes);
        match path.ends_with("METADATA") {
            true => packages.extend(python(&text)),
            false => packages.extend(debian(&text)),
        }
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// The value of a field of a paragraph.
fn field<'a>(paragraph: &'a str, name: &str) -> Option<&'a str> {
    let of = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    paragraph.lines().take_while(|line| !line.is_empty()).find_map(of).map(str::trim)
}

fn debian(status: &str) -> Vec<Package> {
    let one = |paragraph: &str| {
        let paragraph = paragraph.trim_start_matches('\n');
        if field(paragraph, "Status").is_some_and(|status| !status.ends_with(" installed")) {
            return None;
        }
        let (name, version) = (field(paragraph, "Package")?, field(paragraph, "Version")?);
        let architecture = field(paragraph, "Architecture").unwrap_or("all");
        let escaped = version.replace('%', "%25").replace('+', "%2B").replace(':', "%3A");
        Some(Package {
            name: name.to_owned(),
            version: version.to_owned(),
            purl: format!("pkg:deb/debian/{name}@{escaped}?arch={architecture}"),
        })
    };
    status.split("\n\n").filter_map(one).collect()
}

fn python(metadata: &str) -> Option<Package> {
    let (name, version) = (field(metadata, "Name")?, field(metadata, "Version")?);
    let plain = name.to_lowercase().replace('_', "-");
    let purl = format!("pkg:pypi/{plain}@{version}");
    Some(Package { name: name.to_owned(), version: version.to_owned(), purl })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn installed_packages_are_named_and_removed_ones_are_not() {
        let status = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\n\
            Version: 2.36-9+deb12u9\nDescription: x\n .\n Package: no\n\n\
            Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n";
        let found = debian(status);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].purl, "pkg:deb/debian/libc6@2.36-9%2Bdeb12u9?arch=amd64");
        let found =
            python("Metadata-Version: 2.1\nName: Flask_X\nVersion: 3.0\n\nName: other\n").unwrap();
        assert_eq!(found.purl, "pkg:pypi/flask-x@3.0");
    }
}
