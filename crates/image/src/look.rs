//! Single files of an image, without unpacking or mounting it: what a list of its parts is made
//! from. Next: `tar/read.rs`.

use std::collections::BTreeMap;
use std::io::BufReader;

use crate::tar::{Kind, Reader};
use crate::{Error, Image, Images, Result};

/// Files larger than this are not looked at.
const MOST_FILE_BYTES: u64 = 32 << 20;
/// All files together.
const MOST_BYTES: u64 = 256 << 20;

impl Images {
    /// The plain files whose paths are `wanted`, as the topmost layer has them. Links are not
    /// followed.
    ///
    /// # Errors
    /// A layer cannot be read or is no layer, or the files are larger than 256 MiB together.
    pub fn files(
        &self,
        image: &Image,
        wanted: &dyn Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut found: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut total = 0;
        for layer in &image.layers {
            let packing = self.layout.packing(&layer.digest)?;
            let mut blob = BufReader::with_capacity(256 << 10, self.open_blob(&layer.digest)?);
            let mut tar = Reader::new(packing.unpack(&mut blob));
            // A layer hides what is below it, not what it brings itself.
            let mut own: BTreeMap<String, Vec<u8>> = BTreeMap::new();
            while let Some(entry) = tar.next()? {
                let path = String::from_utf8_lossy(&entry.name).into_owned();
                let path = path.trim_start_matches("./").trim_end_matches('/').to_owned();
                let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
                let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
                if name == ".wh..wh..opq" {
                    found.retain(|known, _| !known.starts_with(&below));
                    continue;
                }
                let hides = name.strip_prefix(".wh.").map(|name| format!("{below}{name}"));
                let gone = hides.as_ref().unwrap_or(&path);
                let inside = format!("{gone}/");
                let folder_again = matches!(entry.kind, Kind::Directory) && hides.is_none();
                found.retain(|known, _| {
                    known != gone && (folder_again || !known.starts_with(&inside))
                });
                let file = matches!(entry.kind, Kind::File);
                if hides.is_some() || !file || entry.size > MOST_FILE_BYTES || !wanted(&path) {
                    continue;
                }
                total += entry.size;
                if total > MOST_BYTES {
                    let reason = "has too many files to be looked at".to_owned();
                    return Err(Error::Rule { what: image.digest.clone(), reason });
                }
                let mut bytes = Vec::new();
                let mut buffer = [0; 16 << 10];
                loop {
                    match tar.content(&mut buffer)? {
                        0 => break,
                        read => bytes.extend_from_slice(&buffer[..read]),
                    }
                }
                own.insert(path, bytes);
            }
            found.extend(own);
        }
        Ok(found)
    }
}
