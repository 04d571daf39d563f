//! Entries of a folder, as getdents64(2) gives them (`struct linux_dirent64`): inode, offset, length of the record, kind, name.

const LENGTH_AT: usize = 16;
const NAME_AT: usize = 19;

/// The entries whose names are no numbers, and those whose numbers `shows` lets through, in their order. A record that makes no sense ends
/// the list.
#[must_use]
pub fn only(mut entries: &[u8], shows: impl Fn(u32) -> bool) -> Vec<u8> {
    let mut kept = Vec::with_capacity(entries.len());
    while let Some(length) = entries.get(LENGTH_AT..LENGTH_AT + 2) {
        let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
        let Some((record, rest)) = entries.split_at_checked(length).filter(|_| length > NAME_AT) else { break };
        let name = record[NAME_AT..].split(|&byte| byte == 0).next().unwrap_or_default();
        let number = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        if number.is_none_or(&shows) {
            kept.extend_from_slice(record);
        }
        entries = rest;
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Vec<u8> {
        let length = (NAME_AT + name.len() + 1).next_multiple_of(8);
        let mut record = vec![0; length];
        record[LENGTH_AT..LENGTH_AT + 2].copy_from_slice(&(length as u16).to_ne_bytes());
        record[NAME_AT..NAME_AT + name.len()].copy_from_slice(name.as_bytes());
        record
    }

    #[test]
    fn entries_are_left_out_by_their_numbers() {
        let all = [".", "..", "0", "512", "1"].map(entry).concat();
        assert_eq!(only(&all, |number| number < 512), [".", "..", "0", "1"].map(entry).concat());
        assert_eq!(only(&all, |_| false), [".", ".."].map(entry).concat());
    }

    #[test]
    fn a_list_that_is_cut_short_ends_where_it_makes_no_sense() {
        let all = [".", "5"].map(entry).concat();
        for cut in 0..all.len() {
            let kept = only(&all[..cut], |_| true);
            assert!(all.starts_with(&kept));
        }
    }
}
