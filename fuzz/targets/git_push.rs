//! Pushes: request lines, and packs whose objects, deltas and paths say anything. Only the folder of
//! a checkout is written. Packs are made whole (deflated, counted, summed), or nothing would get
//! behind the checksum.
#![no_main]

use std::fs;
use std::io::Write as _;

use flate2::{Compression, write::ZlibEncoder};
use git::{Id, Repository, Request};
use libfuzzer_sys::fuzz_target;
use sha1::{Digest, Sha1};

/// An object so far: its name, and where it begins in the pack.
struct Made {
    id: [u8; 20],
    at: usize,
    commit: bool,
}

impl Made {
    fn name(&self) -> Id {
        let hex: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        Id::parse(&hex).expect("forty digits")
    }
}

/// What is left of the input.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// So many bytes as the next one says.
    fn piece(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.byte()?).min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        Some(piece)
    }

    /// One of the objects there are; of none, a name of nothing.
    fn one(&mut self, made: &[Made]) -> Option<[u8; 20]> {
        let at = usize::from(self.byte()?);
        Some(if made.is_empty() { [7; 20] } else { made[at % made.len()].id })
    }
}

const MODES: [&str; 8] =
    ["100644", "100755", "40000", "120000", "160000", "100664", "0", "7777777"];

/// The kind of an object and its text.
fn object(rest: &mut Rest<'_>, made: &[Made]) -> Option<(u8, Vec<u8>)> {
    Some(match rest.byte()? % 4 {
        0 => {
            let tree: String = rest.one(made)?.iter().map(|byte| format!("{byte:02x}")).collect();
            let head =
                format!("tree {tree}\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\n");
            (1, [head.as_bytes(), rest.piece()?].concat())
        }
        1 => {
            let mut tree = Vec::new();
            for _ in 0..rest.byte()? % 6 {
                let mode = MODES[usize::from(rest.byte()?) % MODES.len()];
                tree.extend([mode.as_bytes(), b" ", rest.piece()?, b"\0"].concat());
                tree.extend(rest.one(made)?);
            }
            (2, tree)
        }
        2 => (3, rest.piece()?.to_vec()),
        _ => (rest.byte()? % 8, rest.piece()?.to_vec()),
    })
}

fn pack(data: &[u8]) -> (Vec<u8>, Vec<Made>) {
    let (mut rest, mut made, mut out) = (Rest(data), Vec::new(), Vec::new());
    out.extend(b"PACK\0\0\0\x02\0\0\0\0");
    while made.len() < 24 {
        let Some((kind, body)) = object(&mut rest, &made) else { break };
        let at = out.len();
        let (low, mut high) = (body.len() & 15, body.len() >> 4);
        out.push((kind << 4) | low as u8 | if high > 0 { 128 } else { 0 });
        while high > 0 {
            out.push((high & 127) as u8 | if high > 127 { 128 } else { 0 });
            high >>= 7;
        }
        // Changes of an earlier object, by its place or its name.
        let base = rest.byte().unwrap_or(0);
        let earlier = made.get(usize::from(base) % made.len().max(1));
        match (kind, earlier) {
            (6, Some(one)) => {
                let mut back = at - one.at;
                let mut bytes = vec![(back & 127) as u8];
                while back > 127 {
                    back = (back >> 7) - 1;
                    bytes.push(128 | (back & 127) as u8);
                }
                out.extend(bytes.iter().rev());
            }
            (7, Some(one)) => out.extend(one.id),
            (6 | 7, None) => out.extend([1; 20]),
            _ => {}
        }
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::fast());
        deflated.write_all(&body).expect("memory");
        out.extend(deflated.finish().expect("memory"));
        let name = ["", "commit", "tree", "blob", "tag", "", "", ""][usize::from(kind)];
        let head = format!("{name} {}\0", body.len());
        let id = Sha1::digest([head.as_bytes(), &body].concat()).into();
        made.push(Made { id, at, commit: kind == 1 });
    }
    let count = u32::try_from(made.len()).expect("few");
    out[8..12].copy_from_slice(&count.to_be_bytes());
    let sum = Sha1::digest(&out);
    out.extend(sum);
    (out, made)
}

fuzz_target!(|data: &[u8]| {
    let _refused = Request::read(&mut &*data);
    let (pack, made) = pack(data);
    let place = tempfile::tempdir().expect("a temporary directory");
    fs::write(place.path().join("canary"), "alive").expect("the canary");
    let kept = place.path().join("kept");
    let Ok(mut repository) = Repository::open(&kept) else { panic!("an empty folder") };
    let Ok(staged) = repository.receive(&*pack) else { return };
    for (number, one) in made.iter().filter(|one| one.commit).take(3).enumerate() {
        let folder = place.path().join(format!("code{number}"));
        fs::create_dir(&folder).expect("the folder");
        let _refused = repository.checkout(one.name(), &folder);
        fs::remove_dir_all(&folder).expect("what was written can be removed");
    }
    repository.discard(staged);
    let beside = fs::read_dir(place.path()).expect("the place").count();
    assert_eq!(beside, 2, "something was written beside the folders");
    assert_eq!(fs::read(place.path().join("canary")).expect("the canary"), b"alive");
});
