//! What an operator reads when the configuration is wrong, as golden text.

#[cfg(test)]
mod support;

use support::{Setup, text};

const CHANNEL: &str = "[[channel]]\nname = \"studio\"\ninput = \"1080p\"\n";

/// What is said about `config`, which must be refused.
fn refusal(config: &str) -> String {
    let output = Setup::new(config).check();
    assert_eq!(output.status.code(), Some(78), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "");
    text(&output.stderr).to_owned()
}

#[test]
fn a_typo_names_the_setting_that_was_meant() {
    insta::assert_snapshot!(refusal(&format!("[hls]\nsegmet_ms = 2000\nwindow_s = 60\n\n{CHANNEL}")));
}

#[test]
fn a_setting_in_the_wrong_table_is_sent_to_its_own() {
    insta::assert_snapshot!(refusal(&format!("preset = \"fast\"\n[http]\ncolour = 1\n{CHANNEL}")));
}

#[test]
fn a_wrong_type_says_what_is_wanted() {
    insta::assert_snapshot!(refusal("[hls]\nsegment_ms = \"2000\"\n[channel]\nname = \"studio\"\n"));
}

#[test]
fn a_number_out_of_range_says_the_range() {
    insta::assert_snapshot!(refusal(&format!(
        "[hls]\nsegment_ms = 50\nwindow_s = -1\n[ladder]\nmemory_max_mb = 9999999999\n{CHANNEL}"
    )));
}

#[test]
fn a_window_of_few_segments_is_refused() {
    insta::assert_snapshot!(refusal(&format!("[hls]\nsegment_ms = 6000\nwindow_s = 30\n{CHANNEL}")));
}

#[test]
fn a_duplicate_channel_shows_both_places() {
    insta::assert_snapshot!(refusal(&format!("{CHANNEL}\n{CHANNEL}")));
}

#[test]
fn presets_are_those_of_x264() {
    insta::assert_snapshot!(refusal(&format!("[ladder]\npreset = \"superfst\"\n{CHANNEL}")));
    insta::assert_snapshot!(refusal(&format!("[ladder]\npreset = \"Auto\"\n{CHANNEL}")));
}

#[test]
fn a_key_is_given_once() {
    insta::assert_snapshot!(refusal(&format!("{CHANNEL}key = \"hidden-hidden-hidden\"\nkey_file = \"studio.key\"\n")));
}

#[test]
fn bad_names_inputs_and_addresses_are_all_told_at_once() {
    insta::assert_snapshot!(refusal(
        "[http]\nlisten = \"localhost:8080\"\n[[channel]]\nname = \"Studio 1\"\ninput = \"1080\"\n[[channel]]\n"
    ));
}

#[test]
fn two_listeners_on_one_port_are_refused() {
    insta::assert_snapshot!(refusal(&format!("[http]\nlisten = \"0.0.0.0:1935\"\n{CHANNEL}")));
}

#[test]
fn settings_of_srt_are_checked_and_its_secrets_not_shown() {
    let shown = refusal(&format!(
        "[srt]\nlisten = \"here\"\nlatency_ms = 5\nsrt_passphrase = \"hidden\"\n{CHANNEL}srt_latency_ms = 9000\n\
         srt_passphrase = \"hidden-too\"\nsrt_pull = \"http://media.example/hidden\"\n"
    ));
    assert!(!shown.contains("hidden"), "{shown}");
    insta::assert_snapshot!(shown);
}

#[test]
fn a_certificate_needs_its_key() {
    insta::assert_snapshot!(refusal(&format!(
        "[rtmp.tls]\nlisten = \"127.0.0.1:1936\"\ncert = \"gone.pem\"\n{CHANNEL}"
    )));
}

#[test]
fn a_key_file_that_is_not_there_is_named() {
    insta::assert_snapshot!(refusal(&format!("{CHANNEL}key_file = \"keys/studio.key\"\n")));
}

#[test]
fn broken_syntax_is_shown_where_it_breaks() {
    insta::assert_snapshot!(refusal(&format!("[hls\nsegment_ms = 2000\n{CHANNEL}")));
}

#[test]
fn rungs_are_checked() {
    insta::assert_snapshot!(refusal(&format!(
        "[[ladder.rung]]\nname = \"low\"\nwidth = 641\nheight = 360\nkbps = 800\nkbps_high = 700\n\
         [[ladder.rung]]\nname = \"audio\"\nwidth = 1280\n{CHANNEL}"
    )));
}

#[test]
fn a_file_that_is_not_there_or_not_text_is_named() {
    let setup = Setup::new(b"[http]\nlisten = \"\xff\"\n");
    let output = setup.check();
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(78), "weir.toml:2:11: not UTF-8 text\n"));
    let output = setup.weir(&["serve", "--config", "gone.toml"]);
    let wanted = "cannot read gone.toml: No such file or directory (os error 2)\n";
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(78), wanted));
}

#[test]
fn two_channels_with_one_key_are_refused_without_showing_it() {
    let two = "[[channel]]\nname = \"a\"\ninput = \"720p\"\nkey = \"hidden-hidden-hidden\"\n\
               [[channel]]\nname = \"b\"\ninput = \"720p\"\nkey = \"hidden-hidden-hidden\"\n";
    insta::assert_snapshot!(refusal(two));
}

#[test]
fn no_fault_ever_shows_a_key() {
    let faults = [
        "key = \"hidden-and/slashed\"",
        "key = \"hidden\"",
        "key = [\"hidden-hidden-hidden\"]",
        "kee = \"hidden-hidden-hidden\"",
        "stream_key = \"hidden-hidden-hidden\"",
        "key = hidden-hidden-hidden",
        "key = \"hidden-hidden-hidden",
        "key \"hidden-hidden-hidden\"",
        "key = \"hidden-hidden-hidden\" trailing",
        "key = { a = \"hidden-hidden-hidden\" }",
        "key = \"\"\"\nhidden-hidden-hidden\n\"\"\"",
        "name = \"again\" # hidden-hidden-hidden",
        "nothing = 1 \nkey = \"hidden-hidden-hidden\"",
    ];
    for fault in faults {
        let said = refusal(&format!("{CHANNEL}{fault}\n"));
        assert!(!said.contains("hidden"), "{fault}\n{said}");
    }
}

#[test]
fn a_certificate_is_given_or_made() {
    insta::assert_snapshot!(refusal(&format!("[http.tls]\nlisten = \"127.0.0.1:8443\"\n{CHANNEL}")));
    insta::assert_snapshot!(refusal(&format!(
        "[http.tls]\nlisten = \"127.0.0.1:1935\"\nself_signed = true\ncert = \"cert.pem\"\n{CHANNEL}"
    )));
}

#[test]
fn latency_is_low_or_standard() {
    insta::assert_snapshot!(refusal(&format!("[hls]\nlatency = \"standart\"\n{CHANNEL}")));
}
