//! `COPY` and `ADD`: which sources, as whose, to where.

use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::AsFd;

use flate2::bufread::MultiGzDecoder;
use image::{Budget, Hasher, Meaning, Scratch, rooted};
use rustix::fs::OFlags;

use crate::Result;
use crate::copy::{Writer, parts};
use crate::dockerfile::Copy;
use crate::ignore::Ignore;
use crate::plan::copied_stage;
use crate::sources::{Item, Tree, reopen};
use crate::stage::{At, Builder, State, absolute};
use crate::words::expand_text;

/// A `COPY` with its variables filled in.
struct Job {
    add: bool,
    sources: Vec<String>,
    /// Name and text of here-documents.
    texts: Vec<(String, String)>,
    /// Absolute destination.
    to: String,
    /// It was written as a directory: `x/`, `.`, `..`.
    to_is_dir: bool,
    chown: Option<String>,
    mode: Option<u32>,
}

impl Builder<'_> {
    pub(crate) fn copy_step(
        &mut self,
        number: usize,
        state: &mut State,
        at: At<'_>,
        copy: &Copy,
    ) -> Result<()> {
        let job = self.job(state, at, copy)?;
        // The stage or image whose files are taken; None is the context.
        let other = match &copy.from {
            None => None,
            Some(from) => Some(match copied_stage(&self.plan.stages, number, from) {
                Some(stage) => self
                    .done
                    .get(&stage)
                    .cloned()
                    .ok_or_else(|| self.fail(at, "its stage was not built"))?,
                None => {
                    let image = self.find_image(from, at, false)?;
                    State { config: image.config.config, layers: image.layers, ..state.clone() }
                }
            }),
        };
        let mut key = self.key(state, if job.add { "ADD" } else { "COPY" });
        job.hash(&mut key);
        if let Some(other) = &other {
            // The other image's layers stand for its files.
            key.field(b"from");
            for layer in &other.layers {
                key.field(layer.diff_id.as_bytes());
            }
            for source in &job.sources {
                key.field(source.as_bytes());
            }
        } else {
            for source in &job.sources {
                key.field(source.as_bytes());
                for item in self.context.find(source).map_err(|reason| self.fail(at, reason))? {
                    key.field(&item.path);
                    self.context.hash(&item, &mut key).map_err(|reason| self.fail(at, reason))?;
                }
            }
        }
        self.layer(state, at, key, &mut |builder, state, scratch| match &other {
            None => builder.copy(state, at, scratch, &job, &builder.context),
            Some(other) => {
                let root = builder.mount(other, at, None)?;
                let tree = Tree { root, ignore: Ignore::default(), keeps_owners: true };
                builder.copy(state, at, scratch, &job, &tree)
            }
        })
    }

    fn job(&self, state: &State, at: At<'_>, copy: &Copy) -> Result<Job> {
        let mut sources = Vec::new();
        for source in &copy.sources {
            sources.push(self.expand(state, at, source)?);
        }
        let mut texts = Vec::new();
        for heredoc in &copy.heredocs {
            let text = if heredoc.expand {
                expand_text(&heredoc.content, &|name| state.get(name))
                    .map_err(|reason| self.fail(at, reason))?
            } else {
                heredoc.content.clone()
            };
            texts.push((heredoc.name.clone(), text));
        }
        let to = self.expand(state, at, &copy.to)?;
        let last = to.rsplit('/').next().unwrap_or_default();
        let to_is_dir = matches!(last, "" | "." | "..");
        let chown = copy.chown.as_deref().map(|chown| self.expand(state, at, chown)).transpose()?;
        let mode =
            match copy.chmod.as_deref().map(|chmod| self.expand(state, at, chmod)).transpose()? {
                None => None,
                Some(text) => match u32::from_str_radix(&text, 8) {
                    Ok(mode) if mode <= 0o7777 => Some(mode),
                    _ => {
                        return Err(
                            self.fail(at, format!("--chmod={text} is no octal mode such as 755"))
                        );
                    }
                },
            };
        if sources.len() + texts.len() > 1 && !to_is_dir {
            return Err(self.fail(
                at,
                format!("with more than one source the destination must end with /: {to}/"),
            ));
        }
        Ok(Job {
            add: copy.add,
            sources,
            texts,
            to: absolute(state.working_dir(), &to),
            to_is_dir,
            chown,
            mode,
        })
    }

    fn copy(
        &self,
        state: &State,
        at: At<'_>,
        scratch: &Scratch,
        job: &Job,
        tree: &Tree,
    ) -> Result<()> {
        let root = self.mount(state, at, Some(scratch))?;
        let owner = match &job.chown {
            None => None,
            Some(chown) => {
                Some(owner(root.as_fd(), chown).map_err(|source| self.image_error(at, source))?)
            }
        };
        let cancelled = || self.check_cancelled().is_err();
        let mut writer =
            Writer { root: root.as_fd(), owner, mode: job.mode, cancelled: &cancelled, files: 0 };
        let fail = |reason: String| self.fail(at, reason);
        let to = parts(&job.to);
        let mut items = Vec::new();
        for source in &job.sources {
            items.extend(tree.find(source).map_err(fail)?);
        }
        if items.len() > 1 && !job.to_is_dir {
            return Err(fail(format!(
                "the pattern names several files, so the destination must end with /: {}/",
                job.to
            )));
        }
        let into_dir = job.to_is_dir || writer.is_dir(&to);
        if items.is_empty() && job.to_is_dir {
            writer.make_dirs(&to).map_err(fail)?;
        }
        for item in items {
            if job.add && !item.is_dir && self.unpack(at, scratch, &item, &mut writer, &to)? {
                continue;
            }
            let mut place = to.clone();
            if !item.is_dir && into_dir {
                place.push(item.name());
            }
            writer.item(tree, &item, &place).map_err(fail)?;
        }
        for (name, text) in &job.texts {
            let mut place = to.clone();
            if into_dir {
                place.push(name.as_bytes());
            }
            writer.text(text, &place).map_err(fail)?;
        }
        Ok(())
    }

    /// `ADD` of an archive: its files go into the destination. False when it is no archive.
    fn unpack(
        &self,
        at: At<'_>,
        scratch: &Scratch,
        item: &Item,
        writer: &mut Writer<'_>,
        to: &[&[u8]],
    ) -> Result<bool> {
        let fail = |reason: String| self.fail(at, reason);
        let name = String::from_utf8_lossy(item.name()).into_owned();
        let open = || {
            reopen(&item.fd, OFlags::RDONLY)
                .map(|fd| BufReader::new(File::from(fd)))
                .map_err(|errno| fail(format!("cannot open `{name}`: {errno}")))
        };
        let mut head = [0; 6];
        let mut file = open()?;
        let length = read_full(&mut file, &mut head)
            .map_err(|error| fail(format!("cannot read `{name}`: {error}")))?;
        let gzip = length >= 2 && head[..2] == [0x1f, 0x8b];
        let other = [(&b"BZh"[..], "bzip2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zstd")];
        if let Some((_, kind)) = other.iter().find(|(magic, _)| head[..length].starts_with(magic))
            && name.contains(".t")
        {
            return Err(fail(format!(
                "`{name}` is a {kind} archive, ADD unpacks tar and tar.gz; use COPY and RUN tar -x"
            )));
        }
        let mut block = [0; 512];
        let whole = if gzip {
            // What only begins like gzip is an ordinary file.
            read_full(&mut MultiGzDecoder::new(open()?), &mut block).unwrap_or(0)
        } else {
            read_full(&mut open()?, &mut block)
                .map_err(|error| fail(format!("cannot read `{name}`: {error}")))?
        };
        if whole < 512 || &block[257..262] != b"ustar" {
            return Ok(false);
        }
        let dir = scratch.path().join(format!("archive-{}", writer.files));
        fs_err::create_dir(&dir).map_err(|error| fail(error.to_string()))?;
        let root = rooted::directory(&dir).map_err(|errno| fail(errno.to_string()))?;
        let unpacked = if gzip {
            image::extract(
                MultiGzDecoder::new(open()?),
                root.as_fd(),
                Meaning::Archive,
                Budget::default(),
            )
        } else {
            image::extract(open()?, root.as_fd(), Meaning::Archive, Budget::default())
        };
        unpacked.map_err(|source| self.image_error(at, source))?;
        let tree = Tree { root, ignore: Ignore::default(), keeps_owners: true };
        for item in tree.find(".").map_err(fail)? {
            writer.item(&tree, &item, to).map_err(fail)?;
        }
        writer.files += 1;
        Ok(true)
    }
}

impl Job {
    fn hash(&self, key: &mut Hasher) {
        for (name, text) in &self.texts {
            key.field(name.as_bytes());
            key.field(text.as_bytes());
        }
        key.field(self.to.as_bytes());
        key.field(&[u8::from(self.to_is_dir)]);
        key.field(self.chown.as_deref().unwrap_or_default().as_bytes());
        key.field(&self.mode.map_or([0xff; 4], u32::to_le_bytes));
    }
}

/// `--chown=user[:group]` by the image's own files; a number alone is both, as Docker has it.
fn owner(root: std::os::fd::BorrowedFd<'_>, chown: &str) -> Result<(u32, u32), image::Error> {
    let (user, group) = match chown.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (chown, None),
    };
    let number = user.bytes().all(|byte| byte.is_ascii_digit());
    let resolved = image::user::resolve(root, user)?;
    let gid = match group {
        Some(group) => image::user::resolve_group(root, group)?,
        None if number => resolved.uid,
        None => resolved.gid,
    };
    Ok((resolved.uid, gid))
}

fn read_full(from: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
