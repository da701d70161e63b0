//! Two texts compared line by line: what changed where, and how to change it back.

use super::Piece;

/// Lines `old` of the old text became lines `new` of the new one; both count from 0, end excluded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) old: std::ops::Range<usize>,
    pub(super) new: std::ops::Range<usize>,
}

/// More lines than this are compared as one piece: nobody writes such an app by hand.
const MOST_LINES: usize = 4000;

pub(super) fn split(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// The differences, from the top.
pub(super) fn hunks(old: &str, new: &str) -> Vec<Hunk> {
    let (old, new) = (split(old), split(new));
    let top = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tail = old[top..].iter().rev().zip(new[top..].iter().rev());
    let end = tail.take_while(|(a, b)| a == b).count();
    let (old_mid, new_mid) = (&old[top..old.len() - end], &new[top..new.len() - end]);
    if old_mid.is_empty() && new_mid.is_empty() {
        return Vec::new();
    }
    if old_mid.len() > MOST_LINES || new_mid.len() > MOST_LINES {
        return vec![Hunk { old: top..old.len() - end, new: top..new.len() - end }];
    }
    // Longest common subsequence; `common[i][j]` is its length from line i and line j on.
    let mut common = vec![vec![0_u32; new_mid.len() + 1]; old_mid.len() + 1];
    for i in (0..old_mid.len()).rev() {
        for j in (0..new_mid.len()).rev() {
            common[i][j] = if old_mid[i] == new_mid[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut found: Vec<Hunk> = Vec::new();
    while i < old_mid.len() || j < new_mid.len() {
        if i < old_mid.len() && j < new_mid.len() && old_mid[i] == new_mid[j] {
            (i, j) = (i + 1, j + 1);
            continue;
        }
        let (from_i, from_j) = (i, j);
        while i < old_mid.len() || j < new_mid.len() {
            if i < old_mid.len() && j < new_mid.len() && old_mid[i] == new_mid[j] {
                break;
            }
            let take_new =
                i == old_mid.len() || (j < new_mid.len() && common[i][j + 1] >= common[i + 1][j]);
            if take_new { j += 1 } else { i += 1 }
        }
        found.push(Hunk { old: top + from_i..top + i, new: top + from_j..top + j });
    }
    found
}

/// First and last line of the new text that differ, counted from 1; a pure deletion is where the
/// next line now stands.
pub fn changed(old: &str, new: &str) -> (usize, usize) {
    let hunks = hunks(old, new);
    let count = split(new).len().max(1);
    let first = hunks.first().map_or(0, |hunk| hunk.new.start);
    let last = hunks.last().map_or(0, |hunk| hunk.new.end);
    let first = (first + 1).min(count);
    (first, last.clamp(first, count))
}

/// Where a line (from 1) of the new text stood in the old one; `None` if it is new.
pub(super) fn old_line(hunks: &[Hunk], line: usize) -> Option<usize> {
    let at = line.checked_sub(1)?;
    let mut shift = 0_isize;
    for hunk in hunks {
        if hunk.new.contains(&at) {
            return None;
        }
        if hunk.new.start > at {
            break;
        }
        shift = hunk.old.end.cast_signed() - hunk.new.end.cast_signed();
    }
    at.checked_add_signed(shift).map(|line| line + 1)
}

/// For each line of the new text, where it stood in the old one; both count from 0.
pub fn kept(old: &str, new: &str) -> Vec<Option<usize>> {
    let hunks = hunks(old, new);
    let lines = 1..=split(new).len();
    lines.map(|line| old_line(&hunks, line).map(|line| line - 1)).collect()
}

/// Pieces that turn `new` back into `old`, the lowest first so that line numbers hold.
pub(super) fn restoring(old: &str, new: &str) -> Vec<Piece> {
    let hunks = hunks(old, new);
    let (old, new) = (split(old), split(new));
    let restore = |hunk: &Hunk| {
        let (mut from, mut to) = (hunk.new.clone(), hunk.old.clone());
        // A place without lines of its own is known by the line beside it.
        if from.is_empty() && to.start > 0 && from.start > 0 {
            (from.start, to.start) = (from.start - 1, to.start - 1);
        } else if from.is_empty() && from.end < new.len() && to.end < old.len() {
            (from.end, to.end) = (from.end + 1, to.end + 1);
        }
        Piece { line: from.start + 1, from: new[from].concat(), to: old[to].concat() }
    };
    hunks.iter().rev().map(restore).collect()
}

/// Puts a piece back; `None` if its lines are not there any more, or at several places.
pub(super) fn restore(text: &str, piece: &Piece) -> Option<String> {
    let Piece { line, from, to } = piece;
    let lines = split(text);
    let wanted = split(from);
    let there = |at: usize| {
        lines.get(at..at + wanted.len()).is_some_and(|found| found == wanted.as_slice())
    };
    let expected = line.saturating_sub(1);
    let at = if there(expected) {
        expected
    } else {
        let mut places = (0..lines.len()).filter(|at| !wanted.is_empty() && there(*at));
        let only = places.next()?;
        if places.next().is_some() {
            return None;
        }
        only
    };
    let mut new = lines[..at].concat();
    new.push_str(to);
    new.push_str(&lines[at + wanted.len()..].concat());
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restoring_undoes_any_change() {
        let cases = [
            ("a\nb\nc\n", "a\nx\nc\n"),
            ("a\nb\n", "a\nb\nc\n"),
            ("a\nb\nc", "b\nc\nd\n"),
            ("", "a\n"),
            ("a\n", ""),
            ("a\na\nb\na\n", "a\nb\na\na\na\n"),
            ("1\n2\n3\n4\n5\n", "0\n1\n3\n4\nx\n5"),
        ];
        for (old, new) in cases {
            let mut text = new.to_owned();
            for piece in restoring(old, new) {
                text = restore(&text, &piece).unwrap();
            }
            assert_eq!(text, old, "from {new:?}");
        }
    }

    #[test]
    fn lines_that_moved_are_found_and_lines_that_changed_are_not() {
        let piece = Piece { line: 1, from: "a\n".into(), to: "x\n".into() };
        assert_eq!(restore("0\na\nb\n", &piece).unwrap(), "0\nx\nb\n");
        assert_eq!(restore("0\nc\nb\n", &piece), None);
        assert_eq!(restore("0\na\nb\na\n", &piece), None);
    }

    #[test]
    fn lines_of_the_new_text_are_known_in_the_old_one() {
        let hunks = hunks("a\nb\nc\n", "a\nx\ny\nb\nc\n");
        assert_eq!(old_line(&hunks, 1), Some(1));
        assert_eq!(old_line(&hunks, 2), None);
        assert_eq!(old_line(&hunks, 5), Some(3));
        assert_eq!(kept("a\nb\n", "x\nb\n"), [None, Some(1)]);
        assert_eq!(changed("a\nb\nc\n", "a\nx\ny\nb\nc\n"), (2, 3));
        assert_eq!(changed("a\nb\nc\n", "a\nc\n"), (2, 2));
    }
}
