//! The program from outside: what it prints and how it ends.

#[cfg(test)]
mod support;

use std::net::TcpListener;

use support::{Setup, text};

#[test]
fn a_good_file_is_summed_up_without_its_keys() {
    let setup = Setup::new(
        "data_dir = \"/var/lib/weir\"\n[http]\nconnections_max = 5000\n[rtmp.tls]\nlisten = \"0.0.0.0:1936\"\n\
         cert = \"cert.pem\"\nkey = \"key.pem\"\n[[ladder.rung]]\nname = \"480p\"\nwidth = 854\nheight = 480\nkbps = 1500\n\
         fps_max = 30\nprofile = \"main\"\n[[channel]]\nname = \"studio\"\ninput = \"1080p\"\nkey = \"hidden-hidden-hidden\"\n\
         [[channel]]\nname = \"stage\"\ninput = \"720p\"\nkey_file = \"stage.key\"\n[[channel]]\nname = \"hall\"\ninput = \"720p\"\n",
    );
    for file in ["cert.pem", "key.pem", "stage.key"] {
        std::fs::write(setup.path().join(file), "hidden-in-a-file-of-its-own\n").unwrap();
    }
    let output = setup.check();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_file_with_one_channel_is_enough() {
    let output = Setup::new("[[channel]]\nname = \"studio\"\ninput = \"1080p\"\n").check();
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn the_example_is_valid() {
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/weir.toml");
    let output = Setup::new("").weir(&["check-config", example]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
}

#[test]
fn a_wrong_command_line_is_another_fault_than_a_wrong_file() {
    let setup = Setup::new("");
    assert_eq!(setup.weir(&["serve"]).status.code(), Some(2));
    assert_eq!(setup.weir(&["srve"]).status.code(), Some(2));
    assert_eq!(setup.weir(&["--version"]).status.code(), Some(0));
}

/// What is said when the port of `table` is taken: the text after the log, with the port replaced.
#[cfg(test)]
fn said_of_a_taken_port(table: &str) -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let listen = |name: &str| if name == table { address.to_string() } else { "127.0.0.1:0".to_owned() };
    let setup = Setup::new(format!(
        "[http]\nlisten = \"{}\"\n[rtmp]\nlisten = \"{}\"\n[api]\nlisten = \"127.0.0.1:0\"\n[[channel]]\nname = \"a\"\ninput = \"720p\"\n",
        listen("http"),
        listen("rtmp")
    ));
    let output = setup.weir(&["serve", "--config", "weir.toml"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(71), "{said}");
    assert_eq!(text(&output.stdout), "", "no key is made before the daemon can listen");
    said[said.rfind("weir: ").unwrap()..].replace(&address.port().to_string(), "PORT")
}

#[test]
fn a_port_in_use_is_named_with_its_setting() {
    insta::assert_snapshot!(said_of_a_taken_port("rtmp"));
    insta::assert_snapshot!(said_of_a_taken_port("http"));
}

#[test]
fn a_key_that_cannot_be_kept_ends_the_start() {
    let setup = Setup::new(
        "[http]\nlisten = \"127.0.0.1:0\"\n[rtmp]\nlisten = \"127.0.0.1:0\"\n[api]\nlisten = \"127.0.0.1:0\"\n[[channel]]\nname = \"a\"\ninput = \"720p\"\n",
    );
    // A file where the folder of keys should be: refused to root, too.
    std::fs::create_dir(setup.path().join("data")).unwrap();
    std::fs::write(setup.path().join("data/keys"), "").unwrap();
    let output = setup.weir(&["serve", "--config", "weir.toml"]);
    assert_eq!(output.status.code(), Some(73), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("data/keys"), "{}", text(&output.stderr));
}

#[test]
fn a_filter_that_is_none_is_named() {
    let setup = Setup::new("[[channel]]\nname = \"a\"\ninput = \"720p\"\n");
    let output = setup.command(&["serve", "--config", "weir.toml"]).env("WEIR_LOG", "weir=loud").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    assert!(text(&output.stderr).starts_with("weir: WEIR_LOG is not a filter"), "{}", text(&output.stderr));
}

#[test]
fn json_logs_are_one_object_a_line() {
    let setup = Setup::new(
        "[log]\nformat = \"json\"\nlevel = \"debug\"\n[http]\nlisten = \"127.0.0.1:0\"\n[rtmp]\nlisten = \"127.0.0.1:0\"\n\
         [api]\nlisten = \"127.0.0.1:0\"\n[[channel]]\nname = \"a\"\ninput = \"720p\"\n",
    );
    // A start that fails, and says so through the log.
    std::fs::create_dir(setup.path().join("data")).unwrap();
    std::fs::write(setup.path().join("data/keys"), "").unwrap();
    let output = setup.weir(&["serve", "--config", "weir.toml"]);
    let said = text(&output.stderr);
    // The reason why there is no daemon is for whoever started it, after the log.
    let (log, _) = said.rsplit_once("weir: ").unwrap();
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(line.starts_with("{\"timestamp\":") && line.ends_with('}'), "{line}");
    }
}
