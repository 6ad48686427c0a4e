//! An address that could not be had, said so that its owner finds the setting and the culprit.

use std::fmt;
use std::net::SocketAddr;

/// The message for a listener that failed: what failed, where it is configured, how to go on.
pub fn cannot_listen(setting: &str, address: SocketAddr, error: &dyn fmt::Display) -> String {
    let mut message = format!("{error} ({setting} in the configuration)");
    if address.port() != 0 {
        message += &format!("\n  help: `ss -ltnp 'sport = :{}'` shows what listens there now", address.port());
    }
    message
}

/// Where others find `address`: one that means "every interface" is no address to connect to, and `name` is the best guess.
pub fn reachable(address: SocketAddr, name: &str) -> String {
    if address.ip().is_unspecified() { format!("{name}:{}", address.port()) } else { address.to_string() }
}

/// The name of this machine.
pub fn machine_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_reported_with_its_setting() {
        let error = "RTMP cannot listen on 127.0.0.1:1935: the address is already in use by another program";
        insta::assert_snapshot!(cannot_listen("[rtmp] listen", "127.0.0.1:1935".parse().unwrap(), &error), @r"
        RTMP cannot listen on 127.0.0.1:1935: the address is already in use by another program ([rtmp] listen in the configuration)
          help: `ss -ltnp 'sport = :1935'` shows what listens there now
        ");
    }
}
