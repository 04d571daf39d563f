//! The `#!` line, read as fs/binfmt_script.c of Linux reads it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Bytes of a file that decide its format (`BINPRM_BUF_SIZE`).
pub(super) const HEAD_LEN: usize = 256;

/// The interpreter that a script asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shebang {
    pub interpreter: OsString,
    pub argument: Option<OsString>,
}

/// Parses `head`, the first up to [`HEAD_LEN`] bytes of a file that begins with `#!`. `None`: no interpreter is named, or
/// its name may be cut off.
pub(super) fn parse(head: &[u8]) -> Option<Shebang> {
    let mut buf = [0u8; HEAD_LEN];
    let used = head.len().min(HEAD_LEN);
    buf[..used].copy_from_slice(&head[..used]);
    let text = &buf[2..];
    // As with strnchr(), a zero byte ends the search for the newline.
    let newline = text.iter().position(|&b| b == b'\n' || b == 0).filter(|&i| text[i] == b'\n');
    let line = match newline {
        Some(end) => &text[..end],
        // No newline: the name counts only if it is seen to end. The last byte of the buffer is for a terminator.
        None if skip_blanks(text).iter().any(|&b| is_end(b)) => &text[..text.len() - 1],
        None => return None,
    };
    let line = trim_end(line);
    let line = skip_blanks(line);
    let name_len = line.iter().position(|&b| is_end(b)).unwrap_or(line.len());
    let (name, rest) = line.split_at(name_len);
    if name.is_empty() {
        return None;
    }
    let argument = match rest.first() {
        None | Some(0) => None,
        // Blanks up to the end of a file without a newline make an empty argument, natively too.
        Some(_) => Some(until_nul(skip_blanks(rest))),
    };
    Some(Shebang {
        interpreter: OsStr::from_bytes(name).into(),
        argument: argument.map(|a| OsStr::from_bytes(a).into()),
    })
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

fn is_end(b: u8) -> bool {
    is_blank(b) || b == 0
}

fn skip_blanks(s: &[u8]) -> &[u8] {
    &s[s.iter().position(|&b| !is_blank(b)).unwrap_or(s.len())..]
}

fn trim_end(s: &[u8]) -> &[u8] {
    &s[..s.iter().rposition(|&b| !is_blank(b)).map_or(0, |i| i + 1)]
}

fn until_nul(s: &[u8]) -> &[u8] {
    &s[..s.iter().position(|&b| b == 0).unwrap_or(s.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Option<(String, Option<String>)> {
        let s = parse(head.as_bytes())?;
        let text = |o: OsString| o.into_string().unwrap();
        Some((text(s.interpreter), s.argument.map(text)))
    }

    fn some(name: &str, arg: Option<&str>) -> Option<(String, Option<String>)> {
        Some((name.into(), arg.map(Into::into)))
    }

    #[test]
    fn everything_after_the_interpreter_is_one_argument() {
        assert_eq!(parsed("#!/bin/sh\necho"), some("/bin/sh", None));
        assert_eq!(parsed("#! /bin/sh \t\n"), some("/bin/sh", None));
        assert_eq!(parsed("#!/usr/bin/env -S a  b \n"), some("/usr/bin/env", Some("-S a  b")));
        assert_eq!(parsed("#!\t/usr/bin/awk\t-f\n"), some("/usr/bin/awk", Some("-f")));
    }

    #[test]
    fn a_line_without_newline_counts_when_the_file_ends() {
        assert_eq!(parsed("#!/bin/sh"), some("/bin/sh", None));
        assert_eq!(parsed("#!/bin/sh -e"), some("/bin/sh", Some("-e")));
    }

    #[test]
    fn a_line_that_names_nothing_is_refused() {
        for head in ["#!", "#!\n", "#!  \t \n", "#!   "] {
            assert_eq!(parsed(head), None, "{head:?}");
        }
    }

    #[test]
    fn an_interpreter_name_cut_off_by_the_buffer_is_refused_but_a_cut_argument_is_not() {
        assert_eq!(parsed(&format!("#!/{}\n", "x".repeat(300))), None);
        let line = format!("#!/bin/sh {}\n", "y".repeat(300));
        let want = "y".repeat(HEAD_LEN - 1 - "#!/bin/sh ".len());
        assert_eq!(parsed(&line), some("/bin/sh", Some(&want)));
    }
}
