//! Which paths name files and folders of the program's own process.

/// A file that is copied for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// `maps`.
    Maps,
    /// `smaps`.
    Smaps,
    /// `status`.
    Status,
    /// `stat`.
    Stat,
    /// `statm`.
    Statm,
}

/// A folder that is listed for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Folder {
    /// `task`: one entry a thread.
    Threads,
    /// `fd` or `fdinfo`: one entry a descriptor.
    Descriptors,
}

/// Whether the path leads into the folder of some process that may be this one. On a peer, where the process is not known, such calls go home.
#[must_use]
pub fn is_ours(path: &[u8]) -> bool {
    if path.starts_with(b"/dev/fd") {
        return true;
    }
    let Some(rest) = path.strip_prefix(b"/proc/") else { return false };
    rest.starts_with(b"self") || rest.starts_with(b"thread-self") || rest.first().is_some_and(u8::is_ascii_digit)
}

/// The file that the path names, if it is one of process `pid` and is copied.
#[must_use]
pub fn own_file(path: &[u8], pid: u32) -> Option<File> {
    match of_process(path, pid)? {
        "maps" => Some(File::Maps),
        "smaps" => Some(File::Smaps),
        "status" => Some(File::Status),
        "stat" => Some(File::Stat),
        "statm" => Some(File::Statm),
        _ => None,
    }
}

/// The folder behind a descriptor whose link in /proc/self/fd is `link`, if it is one of process `pid` and not listed as it stands.
#[must_use]
pub fn folder(link: &[u8], pid: u32) -> Option<Folder> {
    match of_process(link, pid)? {
        "task" => Some(Folder::Threads),
        "fd" | "fdinfo" => Some(Folder::Descriptors),
        _ => None,
    }
}

/// What comes after `/proc/PID/`, or after `/proc/PID/task/TID/`.
fn of_process(path: &[u8], pid: u32) -> Option<&str> {
    let rest = std::str::from_utf8(path).ok()?.strip_prefix("/proc/")?;
    let (process, rest) = rest.split_once('/')?;
    let own = process == "self" || process == "thread-self" || process.parse() == Ok(pid);
    if !own {
        return None;
    }
    match rest.strip_prefix("task/").and_then(|rest| rest.split_once('/')) {
        Some((thread, rest)) if !thread.is_empty() && thread.bytes().all(|byte| byte.is_ascii_digit()) => Some(rest),
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_this_process_and_of_its_threads_are_meant_by_all_their_names() {
        for path in ["/proc/self/maps", "/proc/17/maps", "/proc/thread-self/maps", "/proc/self/task/18/maps"] {
            assert_eq!(own_file(path.as_bytes(), 17), Some(File::Maps), "{path}");
            assert!(is_ours(path.as_bytes()), "{path}");
        }
        assert_eq!(own_file(b"/proc/17/stat", 17), Some(File::Stat));
        assert_eq!(own_file(b"/proc/17/statm", 17), Some(File::Statm));
    }

    #[test]
    fn files_of_others_and_of_the_machine_are_not() {
        for path in ["/proc/18/maps", "/proc/stat", "/proc/self/cmdline", "/proc/self/task//maps", "/tmp/self/maps", ""]
        {
            assert_eq!(own_file(path.as_bytes(), 17), None, "{path}");
        }
        assert!(is_ours(b"/proc/18/maps"), "a peer does not know whose number that is");
        assert!(!is_ours(b"/proc/meminfo") && !is_ours(b"/proc/stat"));
    }

    #[test]
    fn folders_are_known_by_the_links_of_their_descriptors() {
        assert_eq!(folder(b"/proc/17/task", 17), Some(Folder::Threads));
        assert_eq!(folder(b"/proc/17/task/18/fd", 17), Some(Folder::Descriptors));
        assert_eq!(folder(b"/proc/17/fdinfo", 17), Some(Folder::Descriptors));
        assert_eq!(folder(b"/proc/18/task", 17), None);
        assert_eq!(folder(b"/proc/17/task/18", 17), None);
        assert_eq!(folder(b"/proc", 17), None);
    }
}
