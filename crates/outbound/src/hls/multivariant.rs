use super::report::{Resolution, Variant};

/// Characters of a declared text that are repeated in a report.
const TEXT_CHARS_MAX: usize = 200;

/// The fastest frame rate that is believed.
const FRAME_RATE_MAX: f64 = 1000.0;

/// A multivariant playlist: variants with the URIs of their media playlists.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Multivariant {
    /// In their order.
    pub variants: Vec<(Variant, String)>,
    /// Declared, with its URI still to come.
    pending: Option<Variant>,
}

impl Multivariant {
    /// EXT-X-STREAM-INF (rfc8216bis 4.4.6.2).
    pub fn declare<'a>(&mut self, attributes: impl Iterator<Item = (&'a str, &'a str)>) {
        let mut variant = Variant::default();
        for (name, value) in attributes {
            match name {
                "BANDWIDTH" => variant.bandwidth = value.parse().ok(),
                "RESOLUTION" => variant.resolution = resolution(value),
                "CODECS" => variant.codecs = Some(shortened(value)),
                "FRAME-RATE" => variant.frame_rate = frame_rate(value),
                "NAME" => variant.name = Some(shortened(value)),
                _ => {}
            }
        }
        self.pending = Some(variant);
    }

    /// A URI: that of the variant declared before it.
    pub fn uri(&mut self, uri: &str) {
        if let Some(variant) = self.pending.take() {
            self.variants.push((variant, uri.to_owned()));
        }
    }
}

fn resolution(text: &str) -> Option<Resolution> {
    let (width, height) = text.split_once(['x', 'X'])?;
    Some(Resolution { width: width.parse().ok()?, height: height.parse().ok()? })
}

/// Neither infinite nor "not a number", which no JSON can say.
fn frame_rate(text: &str) -> Option<f64> {
    text.parse().ok().filter(|rate| (0.0..=FRAME_RATE_MAX).contains(rate))
}

fn shortened(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::attributes::attributes;
    use super::*;

    fn declared(list: &str) -> Variant {
        let mut playlist = Multivariant::default();
        playlist.declare(attributes(list));
        playlist.uri("a.m3u8");
        playlist.variants.remove(0).0
    }

    #[test]
    fn a_variant_says_what_it_declares() {
        let variant = declared(
            r#"BANDWIDTH=5000000,RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2",FRAME-RATE=29.970,NAME="1080p""#,
        );
        assert_eq!(variant.bandwidth, Some(5_000_000));
        assert_eq!(variant.resolution, Some(Resolution { width: 1920, height: 1080 }));
        assert_eq!(variant.codecs.as_deref(), Some("avc1.640028,mp4a.40.2"));
        assert_eq!(variant.frame_rate, Some(29.97));
        assert_eq!(variant.name.as_deref(), Some("1080p"));
    }

    #[test]
    fn values_that_make_no_sense_are_left_out() {
        for rate in ["NaN", "inf", "-1", "1e9", ""] {
            assert_eq!(declared(&format!("FRAME-RATE={rate}")).frame_rate, None, "{rate}");
        }
        assert_eq!(declared("BANDWIDTH=-1,RESOLUTION=1920"), Variant::default());
        assert_eq!(declared(&format!("NAME={}", "é".repeat(300))).name.map(|name| name.chars().count()), Some(200));
    }

    #[test]
    fn a_uri_without_a_declaration_is_no_variant() {
        let mut playlist = Multivariant::default();
        playlist.uri("a.m3u8");
        assert!(playlist.variants.is_empty());
    }
}
