use super::*;
use proptest::prelude::*;

fn spec(host: &str, port: u16, memory: Option<u64>) -> HostSpec {
    HostSpec { host: host.to_owned(), port, memory }
}

fn parse_text(text: &str) -> Result<Vec<HostSpec>, HostsError> {
    parse(text, Path::new("hosts.txt"))
}

#[test]
fn every_form_of_a_line_is_understood() {
    let cases = [
        ("node1", spec("node1", 7471, None)),
        ("node1:80", spec("node1", 80, None)),
        ("  10.0.0.2  memory=2G  # fast", spec("10.0.0.2", 7471, Some(2 << 30))),
        ("[fd00::2]", spec("fd00::2", 7471, None)),
        ("[fd00::2]:9 memory=64M", spec("fd00::2", 9, Some(64 << 20))),
        ("[fe80::1%eth0]:9", spec("fe80::1%eth0", 9, None)),
        ("my_host-3.example.org#near", spec("my_host-3.example.org", 7471, None)),
    ];
    for (line, expected) in cases {
        assert_eq!(parse_text(line).expect(line), [expected], "{line}");
    }
}

#[test]
fn comments_and_blank_lines_are_skipped_and_the_order_is_kept() {
    let text = "# peers\n\na\r\n   # b\n\tc:1\n";
    let hosts = parse_text(text).expect("valid");
    assert_eq!(hosts, [spec("a", 7471, None), spec("c", 1, None)]);
}

#[test]
fn a_bad_line_is_named_by_file_and_number_and_says_what_is_wrong() {
    let cases = [
        ("a:0", "not a port"),
        ("a:65536", "not a port"),
        ("a:+80", "not a port"),
        ("a:", "not a port"),
        (":80", "not a host name"),
        ("-x", "not a host name"),
        ("a/b", "not a host name"),
        ("fd00::2", "brackets"),
        ("[fd00::2", "brackets"),
        ("[10.0.0.1]", "brackets"),
        ("[::1]x", "brackets"),
        ("a memory=", "memory=: \"\" is not a size"),
        ("a memory=lots", "memory=lots"),
        ("a memory=1M memory=2M", "twice"),
        ("a mem=1M", "\"mem=1M\" is not an option"),
        ("ok", "named twice, first on line 1"),
        ("OK:7471", "named twice, first on line 1"),
    ];
    for (line, what) in cases {
        let message = parse_text(&format!("ok\n\n{line}\n")).expect_err(line).to_string();
        assert!(message.starts_with("hosts.txt:3: "), "{line}: {message}");
        assert!(message.contains(what), "{line}: {message}");
    }
}

#[test]
fn a_file_without_peers_or_with_too_many_is_refused() {
    let empty = parse_text("# none\n").expect_err("empty");
    assert!(matches!(empty, HostsError::Empty(_)));
    let line = |i| format!("node{i}\n");
    assert_eq!(parse_text(&(0..15).map(line).collect::<String>()).expect("15").len(), 15);
    let message = parse_text(&(0..16).map(line).collect::<String>()).expect_err("16");
    assert_eq!(message.to_string(), "hosts.txt:16: there are more than 15 peers; a run has at most 15");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let message = load(Path::new("/nonexistent/hosts.txt")).expect_err("missing");
    assert!(message.to_string().contains("/nonexistent/hosts.txt"));
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused_without_panic(text in ".{0,200}") {
        let _ = parse_text(&text);
    }

    #[test]
    fn what_is_shown_is_parsed_back(
        host in "[a-z][a-z0-9.-]{0,20}",
        port in 1u16..,
        memory in proptest::option::of(1u64..1 << 50),
    ) {
        let original = spec(&host, port, memory);
        let option = memory.map(|bytes| format!(" memory={bytes}")).unwrap_or_default();
        let parsed = parse_text(&format!("{original}{option}"));
        prop_assert_eq!(parsed.expect("valid"), [original]);
    }

    #[test]
    fn every_ipv6_address_is_parsed_back(bits in any::<u128>(), port in 1u16..) {
        let original = spec(&Ipv6Addr::from_bits(bits).to_string(), port, None);
        prop_assert_eq!(parse_text(&original.to_string()).expect("valid"), [original]);
    }
}
