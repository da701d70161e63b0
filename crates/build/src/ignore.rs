//! `.dockerignore`: which files of the context are not there. And the glob both it and `COPY` use.

/// The patterns of an ignore file, in order; the last that matches decides.
#[derive(Debug, Default)]
pub struct Ignore {
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    /// `!` in front: matching files are there after all.
    back: bool,
    parts: Vec<Vec<u8>>,
}

impl Ignore {
    /// Reads an ignore file; every text is one.
    pub fn parse(text: &str) -> Self {
        let mut patterns = Vec::new();
        for line in text.trim_start_matches('\u{feff}').lines() {
            if line.starts_with('#') {
                continue;
            }
            let line = line.trim();
            let (back, line) = match line.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, line),
            };
            let mut parts: Vec<Vec<u8>> = Vec::new();
            for part in line.split('/') {
                match part {
                    "" | "." => {}
                    ".." => {
                        parts.pop();
                    }
                    part => parts.push(part.as_bytes().to_vec()),
                }
            }
            if !parts.is_empty() {
                patterns.push(Pattern { back, parts });
            }
        }
        Self { patterns }
    }

    /// Whether a path of the context is ignored: it or a directory above it matches.
    pub fn ignores(&self, path: &[u8]) -> bool {
        let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let mut ignored = false;
        for pattern in &self.patterns {
            if pattern.back == ignored
                && (1..=parts.len()).any(|upto| matches(&pattern.parts, &parts[..upto]))
            {
                ignored = !pattern.back;
            }
        }
        ignored
    }

    /// Whether something below an ignored directory may be there after all.
    pub fn takes_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.back)
    }
}

/// Part by part; `**` stands for any number of parts.
fn matches(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    // reachable[i]: the pattern up to here matches the first i parts.
    let mut reachable = vec![false; path.len() + 1];
    reachable[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        if part == b"**" {
            let mut any = false;
            for (at, before) in reachable.iter().enumerate() {
                any |= *before;
                next[at] = any;
            }
        } else {
            for at in 0..path.len() {
                next[at + 1] = reachable[at] && glob(part, path[at]);
            }
        }
        reachable = next;
    }
    reachable[path.len()]
}

/// Whether a name has characters that make it a pattern.
pub(crate) fn is_pattern(name: &[u8]) -> bool {
    name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// `*`, `?`, `[a-z]`, `[^a]` and `\x` against one path component.
pub(crate) fn glob(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last `*` was, and up to where it has eaten: on a mismatch it eats one more.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
            continue;
        }
        if let Some(after) = one(&pattern[p.min(pattern.len())..], name[n]) {
            p += after;
            n += 1;
            continue;
        }
        let Some((at, eaten)) = star else { return false };
        star = Some((at, eaten + 1));
        (p, n) = (at + 1, eaten + 1);
    }
    pattern[p.min(pattern.len())..].iter().all(|byte| *byte == b'*')
}

/// Matches one byte; gives the length of the pattern it took.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match *pattern.first()? {
        b'?' => Some(1),
        b'\\' => pattern.get(1).filter(|escaped| **escaped == byte).map(|_| 2),
        b'[' => class(pattern, byte),
        literal => (literal == byte).then_some(1),
    }
}

fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'^' | b'!'));
    let mut at = if negated { 2 } else { 1 };
    let (mut found, mut first) = (false, true);
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && !first {
            break;
        }
        first = false;
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|byte| *byte != b']') {
            high = pattern[at + 1];
            at += 2;
        }
        found |= (low..=high).contains(&byte);
    }
    (found != negated).then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn globs() {
        for (pattern, name, expect) in [
            ("*.py", "a.py", true),
            ("*.py", ".py", true),
            ("*.py", "a.pyc", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("[]]", "]", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("[", "[", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), name.as_bytes()), expect, "{pattern} {name}");
        }
    }

    #[test]
    fn ignore_files_as_docker_reads_them() {
        let ignore = Ignore::parse(
            "# comment\n/target\n**/*.pyc\ndocs/**\n!docs/README.md\n.git\n\n  spaced  \n*/temp*\n!keep/temp1\n./dot/../x\n",
        );
        for path in [
            "target",
            "target/debug/a",
            "a.pyc",
            "a/b/c.pyc",
            "docs/a/b",
            ".git/HEAD",
            "spaced",
            "any/temporary",
            "any/temp/below",
            "x",
        ] {
            assert!(ignore.ignores(path.as_bytes()), "{path}");
        }
        for path in
            ["a/target", "docs/README.md", "a/b/temp", "keep/temp1", "# comment", "src/main.py"]
        {
            assert!(!ignore.ignores(path.as_bytes()), "{path}");
        }
        assert!(ignore.takes_back());
        let all_but = Ignore::parse("*\n!src\nsrc/secret");
        assert!(all_but.ignores(b"Makefile") && all_but.ignores(b"src/secret/x"));
        assert!(!all_but.ignores(b"src/a/b"));
    }

    proptest! {
        #[test]
        fn any_pattern_ends_soon(text in "\\PC{0,60}|[*?\\[\\]a/!\\\\^-]{0,60}", path in "[a/\\]*-]{0,200}") {
            Ignore::parse(&text).ignores(path.as_bytes());
            glob(text.as_bytes(), path.as_bytes());
        }
    }
}
