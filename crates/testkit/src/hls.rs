use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;

use crate::http::Http;
use crate::m3u8::{MediaPlaylist, Multivariant, Segment};
use crate::wait::until;

/// A player without a screen: it reads the playlists of one presentation and fetches what they name.
#[derive(Debug, Clone)]
pub struct Hls {
    http: Http,
    path: String,
}

/// A rendition with all media that its playlist named.
pub struct Download {
    /// Its path on the server.
    pub path: String,
    /// The playlist that was followed.
    pub playlist: MediaPlaylist,
    /// As in the playlist.
    pub segments: Vec<Piece>,
}

/// A segment with its bytes.
pub struct Piece {
    /// Its lines in the playlist.
    pub segment: Segment,
    /// Its initialisation section.
    pub init: Bytes,
    /// Its own bytes.
    pub body: Bytes,
}

impl Hls {
    /// A player of the multivariant playlist at `path`.
    pub fn new(http: Http, path: &str) -> Self {
        Self { http, path: path.to_owned() }
    }

    /// The multivariant playlist's URL.
    pub fn url(&self) -> String {
        self.http.url(&self.path)
    }

    /// The multivariant playlist, now.
    pub async fn multivariant(&self) -> Result<Multivariant> {
        parse(&self.path, &self.http, Multivariant::parse).await
    }

    /// Waits until the multivariant playlist is there.
    pub async fn wait_playable(&self, within: Duration) -> Result<Multivariant> {
        until(&format!("{} is there", self.path), within, async || {
            Ok((self.http.get(&self.path).await?.status == 200).then_some(()))
        })
        .await?;
        self.multivariant().await
    }

    /// The paths of all media playlists: video in the order of the variants, then audio.
    pub async fn renditions(&self) -> Result<Vec<String>> {
        let multivariant = self.multivariant().await?;
        let mut paths: Vec<String> = multivariant.variants.iter().map(|v| resolve(&self.path, &v.uri)).collect();
        for media in &multivariant.media {
            paths.push(resolve(&self.path, media.quoted("URI")?));
        }
        Ok(paths)
    }

    /// The media playlist at `path`, now.
    pub async fn playlist(&self, path: &str) -> Result<MediaPlaylist> {
        parse(path, &self.http, MediaPlaylist::parse).await
    }

    /// Reads the media playlist at `path` again and again, judging each change, until `enough` likes one.
    pub async fn wait_playlist(
        &self,
        path: &str,
        what: &str,
        within: Duration,
        mut enough: impl FnMut(&MediaPlaylist) -> bool,
    ) -> Result<MediaPlaylist> {
        let mut last: Option<MediaPlaylist> = None;
        let what = format!("{path}: {what}");
        until(&what, within, async || {
            let playlist = self.playlist(path).await?;
            if let Some(last) = &last {
                check_change(last, &playlist).with_context(|| format!("{path} changed wrongly"))?;
            }
            let found = enough(&playlist).then(|| playlist.clone());
            last = Some(playlist);
            Ok(found)
        })
        .await
    }

    /// Fetches everything that `playlist` at `path` names; gaps are left out.
    pub async fn download(&self, path: &str, playlist: MediaPlaylist) -> Result<Download> {
        let mut inits: HashMap<String, Bytes> = HashMap::new();
        let mut segments = Vec::new();
        for segment in playlist.segments.iter().filter(|segment| !segment.gap) {
            let map = resolve(path, &segment.map);
            let init = match inits.get(&map) {
                Some(init) => init.clone(),
                None => self.http.fetch(&map).await?.body,
            };
            inits.insert(map, init.clone());
            let body = self.http.fetch(&resolve(path, &segment.uri)).await?.body;
            segments.push(Piece { segment: segment.clone(), init, body });
        }
        Ok(Download { path: path.to_owned(), playlist, segments })
    }

    /// Waits until every rendition has ended and downloads them all, video first, then audio.
    pub async fn download_ended(&self, within: Duration) -> Result<Vec<Download>> {
        let mut downloads = Vec::new();
        for path in self.renditions().await? {
            let playlist = self.wait_playlist(&path, "it has ended", within, |playlist| playlist.ended).await?;
            downloads.push(self.download(&path, playlist).await?);
        }
        Ok(downloads)
    }
}

impl Download {
    /// Writes each run of segments without a discontinuity as one file and gives their paths.
    pub fn write_epochs(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let name = self.path.trim_matches('/').replace('/', "_");
        let mut files = Vec::new();
        for run in self.segments.chunk_by(|a, b| a.segment.epoch == b.segment.epoch && a.segment.map == b.segment.map) {
            let Some(first) = run.first() else { continue };
            let mut bytes = first.init.to_vec();
            run.iter().for_each(|piece| bytes.extend_from_slice(&piece.body));
            let file = folder.join(format!("{name}-{}.mp4", first.segment.msn));
            std::fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
            files.push(file);
        }
        Ok(files)
    }
}

async fn parse<T>(path: &str, http: &Http, parser: fn(&str) -> Result<T>) -> Result<T> {
    let answer = http.fetch(path).await?;
    let mime = answer.header("content-type");
    ensure!(mime == "application/vnd.apple.mpegurl", "{path} is {mime:?}");
    let text = answer.text()?;
    parser(text).with_context(|| format!("{path} is not a good playlist:\n{text}"))
}

/// The rules between two states of one playlist (rfc8216bis 6.2.1, 6.2.2): only appended to, shortened from
/// the head, or ended.
pub fn check_change(old: &MediaPlaylist, new: &MediaPlaylist) -> Result<()> {
    ensure!(old.target_duration == new.target_duration, "the target duration changed");
    ensure!(new.media_sequence >= old.media_sequence, "MEDIA-SEQUENCE went back");
    ensure!(new.next_msn() >= old.next_msn(), "segments vanished from the end");
    ensure!(!old.ended || old == new, "it changed after its end");
    for was in &old.segments {
        let Some(is) = new.segments.iter().find(|segment| segment.msn == was.msn) else {
            ensure!(was.msn < new.media_sequence, "segment {} vanished", was.msn);
            continue;
        };
        ensure!(is == was, "segment {} changed: {was:?}, then {is:?}", was.msn);
    }
    let gone = old.segments.iter().rfind(|segment| segment.msn < new.media_sequence);
    let least = gone.map_or(old.discontinuity_sequence, |segment| segment.epoch);
    ensure!(new.discontinuity_sequence >= least, "DISCONTINUITY-SEQUENCE lost the lines that left");
    Ok(())
}

/// `uri` as seen from the playlist at `base`; relative paths only.
fn resolve(base: &str, uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    let mut parts: Vec<&str> = base.split('/').collect();
    parts.pop();
    for part in uri.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playlist(first: u64, count: u64) -> MediaPlaylist {
        let segment = |msn: u64| Segment {
            msn,
            epoch: 0,
            uri: format!("{msn}.m4s"),
            map: "init.mp4".to_owned(),
            micros: 2_000_000,
            date_ms: msn as i64 * 2000,
            gap: false,
        };
        MediaPlaylist {
            target_duration: 2,
            media_sequence: first,
            discontinuity_sequence: 0,
            discontinuities: 0,
            parts: 0,
            open_parts: 0,
            ended: false,
            segments: (first..first + count).map(segment).collect(),
        }
    }

    #[test]
    fn paths_are_resolved_against_the_playlist() {
        assert_eq!(resolve("/live/a/index.m3u8", "720p/index.m3u8"), "/live/a/720p/index.m3u8");
        assert_eq!(resolve("/live/a/1080p/index.m3u8", "../720p/s-1.m4s"), "/live/a/720p/s-1.m4s");
        assert_eq!(resolve("/live/a/index.m3u8", "/x"), "/x");
    }

    #[test]
    fn only_growth_shortening_and_the_end_are_changes() {
        assert!(check_change(&playlist(0, 6), &playlist(0, 7)).is_ok());
        assert!(check_change(&playlist(0, 6), &playlist(3, 6)).is_ok());
        assert!(check_change(&playlist(1, 6), &playlist(0, 7)).is_err());
        assert!(check_change(&playlist(0, 6), &playlist(0, 5)).is_err());
        let mut ended = playlist(0, 6);
        ended.ended = true;
        assert!(check_change(&playlist(0, 6), &ended).is_ok());
        assert!(check_change(&ended, &playlist(0, 7)).is_err());
        let mut other = playlist(0, 7);
        other.segments[2].uri.push('x');
        assert!(check_change(&playlist(0, 6), &other).is_err());
    }
}
