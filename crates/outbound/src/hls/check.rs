use hyper::HeaderMap;
use hyper::header::{HeaderValue, ORIGIN, RANGE};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::judge::{self, Piece};
use super::media::Media;
use super::multivariant::Multivariant;
use super::playlist::{self, Playlist};
use super::report::{HlsCode, HlsReport, PlaylistKind};
use crate::client::{Client, Fetched};
use crate::exchange::Wanted;
use crate::{OutboundError, target};

/// Bytes of a playlist. A day of segments at six seconds has more, but nobody plays that as one.
const PLAYLIST_BYTES_MAX: usize = 512 * 1024;

/// Bytes that are read of media: enough to see that it is there and what it is.
const PROBE_BYTES: usize = 1024;

/// The same as a range. A server that does not know ranges sends the whole, of which no more is read.
const PROBE_RANGE: &str = "bytes=0-1023";

/// Says what an HLS URL is and whether browsers play it.
///
/// Fetches the playlist, of a multivariant one also the first variant's, and the beginning of the newest segment and of
/// its initialisation section: at most four things (each with its redirects), 15 s in all. What is live is looked at
/// once and not waited for.
///
/// # Errors
/// The URL is not a target, its address is refused, or the playlist cannot be fetched. Once there is a playlist,
/// whatever fails is a finding.
pub async fn check(client: &Client, url: &str) -> Result<HlsReport, OutboundError> {
    let url = target::parse_url(url)?;
    let probe = Probe { client, deadline: Instant::now() + client.check_timeout() };
    let fetched = probe.playlist(url).await?;
    let mut report = HlsReport::new(fetched.url.to_string());
    let playlist = match playlist::read(&fetched.body) {
        Ok(playlist) => playlist,
        Err(why) => {
            judge::no_playlist(&mut report, why);
            return Ok(report);
        }
    };
    judge::transport(&mut report, Piece::Playlist, &fetched.url, &fetched.headers);
    match playlist {
        Playlist::Multivariant(playlist) => {
            judge::multivariant(&mut report, &playlist);
            probe.first_variant(&mut report, &fetched.url, &playlist).await;
        }
        Playlist::Media(playlist) => {
            report.kind = Some(PlaylistKind::Media);
            judge::media(&mut report, &playlist);
            probe.newest_segment(&mut report, &fetched.url, &playlist).await;
        }
    }
    Ok(report)
}

/// Fetches what a check looks at.
struct Probe<'a> {
    client: &'a Client,
    deadline: Instant,
}

impl Probe<'_> {
    /// Looks at the media playlist of the first variant.
    async fn first_variant(&self, report: &mut HlsReport, base: &Url, playlist: &Multivariant) {
        let Some((_, uri)) = playlist.variants.first() else { return };
        let fetched = match target::joined(base, uri) {
            Ok(url) => self.playlist(url).await,
            Err(error) => Err(error),
        };
        let fetched = match fetched {
            Ok(fetched) => fetched,
            Err(error) => {
                let sentence = format!("the playlist of the first variant cannot be fetched: {error}");
                return report.find(HlsCode::VariantUnreachable, sentence);
            }
        };
        judge::transport(report, Piece::VariantPlaylist, &fetched.url, &fetched.headers);
        match playlist::read(&fetched.body) {
            Ok(Playlist::Media(media)) => {
                judge::media(report, &media);
                self.newest_segment(report, &fetched.url, &media).await;
            }
            Ok(Playlist::Multivariant(_)) => {
                report.find(HlsCode::VariantNotMedia, "the first variant is a multivariant playlist itself");
            }
            Err(why) => report.find(HlsCode::VariantNotMedia, format!("the first variant is no playlist: {why}")),
        }
    }

    /// Looks at the beginning of the newest segment, and of the section that initialises players for it.
    async fn newest_segment(&self, report: &mut HlsReport, base: &Url, playlist: &Media) {
        let Some(segment) = &playlist.newest else { return };
        if let Some(map) = &segment.map
            && let Err(error) = self.media(report, Piece::Init, base, map).await
        {
            let sentence = format!("the initialisation section cannot be fetched: {error}");
            report.find(HlsCode::InitUnreachable, sentence);
        }
        match self.media(report, Piece::Segment, base, &segment.uri).await {
            Ok(fetched) => judge::segment(report, &fetched.body),
            Err(error) => {
                let sentence = format!("the newest segment cannot be fetched: {error}");
                report.find(HlsCode::SegmentUnreachable, sentence);
            }
        }
    }

    async fn media(
        &self,
        report: &mut HlsReport,
        piece: Piece,
        base: &Url,
        uri: &str,
    ) -> Result<Fetched, OutboundError> {
        let mut headers = from_elsewhere();
        headers.insert(RANGE, HeaderValue::from_static(PROBE_RANGE));
        let fetched = self.fetch(target::joined(base, uri)?, &headers, Wanted::First(PROBE_BYTES)).await?;
        judge::transport(report, piece, &fetched.url, &fetched.headers);
        Ok(fetched)
    }

    async fn playlist(&self, url: Url) -> Result<Fetched, OutboundError> {
        self.fetch(url, &from_elsewhere(), Wanted::All(PLAYLIST_BYTES_MAX)).await
    }

    async fn fetch(&self, url: Url, headers: &HeaderMap, wanted: Wanted) -> Result<Fetched, OutboundError> {
        match timeout_at(self.deadline, self.client.get(url, headers, wanted)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(OutboundError::Timeout { what: "the check".to_owned(), limit: self.client.check_timeout() }),
        }
    }
}

/// The headers of a browser on a page of another site.
fn from_elsewhere() -> HeaderMap {
    HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(judge::ORIGIN))])
}
