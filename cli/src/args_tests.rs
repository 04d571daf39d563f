use super::*;
use clap::CommandFactory;
use std::os::unix::ffi::OsStringExt;

fn parse(words: &str) -> Result<RunArgs, clap::Error> {
    let words = words.split_whitespace();
    match Cli::try_parse_from(std::iter::once("eos-rdma").chain(words))?.command {
        Command::Run(args) => Ok(args),
        other => panic!("run was meant, not {other:?}"),
    }
}

#[test]
fn the_definition_of_the_options_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn program_and_arguments_are_found_wherever_the_dashes_stand() {
    let forms = [
        "run ./prog --local 2 --memory 256M -- a --local 9",
        "run --local 2 --memory 256M ./prog -- a --local 9",
        "run --local 2 --memory 256M -- ./prog a --local 9",
        "run --local 2 ./prog --memory 256M -- a --local 9",
    ];
    for form in forms {
        let mut args = parse(form).expect(form);
        let (program, arguments) = args.take_command().expect(form);
        assert_eq!(program, "./prog", "{form}");
        assert_eq!(arguments, ["a", "--local", "9"], "{form}");
        assert_eq!((args.local, args.memory), (Some(2), Some(MemoryArg::Bytes(256 << 20))), "{form}");
    }
}

#[test]
fn an_argument_that_is_not_utf8_reaches_the_program_unchanged() {
    let odd = OsString::from_vec(vec![b'x', 0xff]);
    let words = ["eos-rdma", "run", "--"].map(OsString::from);
    let words = words.into_iter().chain([odd.clone(), odd.clone()]);
    let Command::Run(mut args) = Cli::try_parse_from(words).expect("valid").command else {
        panic!("run was meant");
    };
    assert_eq!(args.take_command(), Some((odd.clone(), vec![odd])));
}

#[test]
fn without_a_program_there_is_none() {
    assert_eq!(parse("run --local 2").expect("valid").take_command(), None);
}

#[test]
fn options_have_their_defaults() {
    let args = parse("run p").expect("valid");
    assert_eq!(args.jump, JumpRule::Auto);
    assert_eq!((args.transport, args.compress), (TransportChoice::Auto, Compress::Auto));
    assert_eq!((args.memory, args.local, args.torture), (None, None, None));
    let args = parse("run p --jump never --transport tcp --torture 7 --compress on").expect("valid");
    assert_eq!((args.jump, args.compress), (JumpRule::Never, Compress::On));
    assert_eq!((args.transport, args.torture), (TransportChoice::Tcp, Some(7)));
}

#[test]
fn wrong_options_are_refused() {
    let wrong = [
        "run p --local 0",
        "run p --local 16",
        "run p --local 2 --peers f",
        "run p --memory lots",
        "run p --jump 0",
        "run p --jump sometimes",
        "run p --transport smoke",
        "run p --compress hard",
        "run p stray",
        "serve --memory 0",
        "key",
        "worker 3 4",
        "",
    ];
    for words in wrong {
        let words = std::iter::once("eos-rdma").chain(words.split_whitespace());
        let words: Vec<_> = words.collect();
        assert!(Cli::try_parse_from(&words).is_err(), "{words:?}");
    }
}

#[test]
fn memory_is_a_size_or_a_share() {
    let memory = |text: &str| parse(&format!("run --memory {text} ./prog")).map(|args| args.memory);
    assert_eq!(memory("1G").expect("a size"), Some(MemoryArg::Bytes(1 << 30)));
    assert_eq!(memory("25%").expect("a share"), Some(MemoryArg::Percent(25)));
    for bad in ["0%", "101%", "x%", "12Q"] {
        assert!(memory(bad).is_err(), "{bad}");
    }
}
