//! Which addresses are the inside of a network.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// What the operator allows. By default only public addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Networks that may be reached although they are not public. An IPv4 network also covers its addresses written
    /// as IPv4-mapped IPv6.
    pub allow: Vec<IpNet>,
}

impl Policy {
    /// Whether the operator allows the address whatever its class.
    pub(crate) fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|net| net.contains(&address) || net.contains(&address.to_canonical()))
    }
}

/// Why an address is refused: what kind of address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// 0.0.0.0/8 and `::`: this host, on this network.
    Unspecified,
    /// 127.0.0.0/8 and `::1`.
    Loopback,
    /// RFC 1918, and the unique local addresses of IPv6 (fc00::/7).
    Private,
    /// 100.64.0.0/10, between a provider and its subscribers (RFC 6598).
    Shared,
    /// 169.254.0.0/16 and fe80::/10.
    LinkLocal,
    /// The addresses at which clouds hand out a machine's credentials.
    Metadata,
    /// fec0::/10, deprecated by RFC 3879.
    SiteLocal,
    /// 224.0.0.0/4 and ff00::/8.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// 192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32 and 3fff::/20.
    Documentation,
    /// 198.18.0.0/15 and 2001:2::/48.
    Benchmark,
    /// 6to4, its relays and Teredo: an IPv4 address of any kind may be behind it, and nobody serves from one.
    Tunnel,
    /// Everything else that is not global unicast.
    Reserved,
    /// A public address that this machine has itself: its firewall does not stand between it and itself.
    ThisMachine,
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::Shared => "an address between a provider and its subscribers",
            Self::LinkLocal => "a link-local address",
            Self::Metadata => "a metadata address of a cloud",
            Self::SiteLocal => "a site-local address",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Documentation => "an address for documentation",
            Self::Benchmark => "an address for benchmarks",
            Self::Tunnel => "an address of a 6to4 or Teredo tunnel",
            Self::Reserved => "a reserved address",
            Self::ThisMachine => "an address of this machine",
        })
    }
}

/// The class of an address that is not public, and `None` for a public one. IPv6 addresses that stand for an IPv4 one
/// are judged by that.
pub(crate) fn class(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

/// From the IANA registry of special-purpose IPv4 addresses.
fn class_v4(address: Ipv4Addr) -> Option<AddressClass> {
    Some(match address.octets() {
        [0, ..] => AddressClass::Unspecified,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => AddressClass::Private,
        [100, 64..=127, ..] => AddressClass::Shared,
        [127, ..] => AddressClass::Loopback,
        // The second is Azure's, and looks like any public address.
        [169, 254, 169, 254] | [168, 63, 129, 16] => AddressClass::Metadata,
        [169, 254, ..] => AddressClass::LinkLocal,
        [192, 0, 0, _] => AddressClass::Reserved,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => AddressClass::Documentation,
        [192, 88, 99, _] => AddressClass::Tunnel,
        [198, 18 | 19, ..] => AddressClass::Benchmark,
        [224..=239, ..] => AddressClass::Multicast,
        [255, 255, 255, 255] => AddressClass::Broadcast,
        [240..=255, ..] => AddressClass::Reserved,
        _ => return None,
    })
}

/// From the IANA registry of special-purpose IPv6 addresses. Global unicast is 2000::/3; nothing outside is public,
/// whatever it may become.
fn class_v6(address: Ipv6Addr) -> Option<AddressClass> {
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        // IPv4-mapped, and NAT64 (RFC 6052), through which networks without IPv4 reach the rest of the world.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => return class_v4(v4(high, low)),
        // IPv4-compatible: no longer routed, so never public.
        [0, 0, 0, 0, 0, 0, high, low] => class_v4(v4(high, low)).unwrap_or(AddressClass::Reserved),
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => AddressClass::Metadata,
        [0xfc00..=0xfdff, ..] => AddressClass::Private,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xfec0..=0xfeff, ..] => AddressClass::SiteLocal,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0x2001, 0, ..] | [0x2002, ..] => AddressClass::Tunnel,
        [0x2001, 2, 0, ..] => AddressClass::Benchmark,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => AddressClass::Documentation,
        [0x2001, 0..=0x1ff, ..] => AddressClass::Reserved,
        [0x2000..=0x3fff, ..] => return None,
        _ => AddressClass::Reserved,
    })
}

fn v4(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from((u32::from(high) << 16) | u32::from(low))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Option<AddressClass> {
        class(text.parse().expect("an address"))
    }

    #[test]
    fn each_special_range_has_its_class_from_its_first_to_its_last_address() {
        use AddressClass::*;
        for (first, last, wanted) in [
            ("0.0.0.0", "0.255.255.255", Unspecified),
            ("10.0.0.0", "10.255.255.255", Private),
            ("100.64.0.0", "100.127.255.255", Shared),
            ("127.0.0.0", "127.255.255.255", Loopback),
            ("169.254.0.0", "169.254.255.255", LinkLocal),
            ("172.16.0.0", "172.31.255.255", Private),
            ("192.0.0.0", "192.0.0.255", Reserved),
            ("192.0.2.0", "192.0.2.255", Documentation),
            ("192.88.99.0", "192.88.99.255", Tunnel),
            ("192.168.0.0", "192.168.255.255", Private),
            ("198.18.0.0", "198.19.255.255", Benchmark),
            ("198.51.100.0", "198.51.100.255", Documentation),
            ("203.0.113.0", "203.0.113.255", Documentation),
            ("224.0.0.0", "239.255.255.255", Multicast),
            ("240.0.0.0", "255.255.255.254", Reserved),
            ("::2", "::ffff", Unspecified),
            ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("100::", "100::ffff:ffff:ffff:ffff", Reserved),
            ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Tunnel),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmark),
            ("2001:20::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Tunnel),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", SiteLocal),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
        ] {
            assert_eq!((of(first), of(last)), (Some(wanted), Some(wanted)), "{first} to {last}");
        }
        assert_eq!((of("255.255.255.255"), of("::"), of("::1")), (Some(Broadcast), Some(Unspecified), Some(Loopback)));
        for metadata in ["169.254.169.254", "168.63.129.16", "fd00:ec2::254", "::ffff:169.254.169.254"] {
            assert_eq!(of(metadata), Some(Metadata), "{metadata}");
        }
    }

    #[test]
    fn neighbours_of_special_ranges_are_public() {
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::",
            "2001:200::1",
            "2003::1",
            "2606:4700::1111",
            "3fff:1000::",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ] {
            assert_eq!(of(public), None, "{public}");
        }
    }

    #[test]
    fn what_the_operator_allows_covers_both_spellings_of_an_ipv4_address() {
        let policy = Policy { allow: vec!["10.1.0.0/16".parse().expect("a network")] };
        let allows = |text: &str| policy.allows(text.parse().expect("an address"));
        assert!(allows("10.1.2.3") && allows("::ffff:10.1.2.3"));
        assert!(!allows("10.2.2.3") && !allows("::ffff:10.2.2.3") && !allows("64:ff9b::10.1.2.3"));
        assert!(!Policy::default().allows(IpAddr::from([127, 0, 0, 1])));
    }

    proptest! {
        #[test]
        fn an_ipv4_address_in_any_ipv6_dress_is_as_refused_as_it_is_bare(bits: u32) {
            let bare = Ipv4Addr::from(bits);
            let refused = class_v4(bare);
            let octets = bare.octets();
            prop_assert_eq!(class_v6(bare.to_ipv6_mapped()), refused);
            let mut nat64 = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            nat64[12..].copy_from_slice(&octets);
            prop_assert_eq!(class_v6(nat64.into()), refused);
            let mut compatible = [0; 16];
            compatible[12..].copy_from_slice(&octets);
            prop_assert!(class_v6(compatible.into()).is_some());
            let mut tunnel = [0; 16];
            tunnel[..6].copy_from_slice(&[0x20, 0x02, octets[0], octets[1], octets[2], octets[3]]);
            prop_assert!(class_v6(tunnel.into()).is_some());
        }
    }
}
