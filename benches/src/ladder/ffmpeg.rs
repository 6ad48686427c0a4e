//! ffmpeg as a ladder.

use std::path::Path;

use anyhow::{Context, Result};

use super::spent::spent_by;
use super::{CLIP, Ladder, PRESET, RUNGS, Rung, SPEED, arguments, fresh, shell};

const FOLDER: &str = "ffmpeg";
/// Every rung from the next larger one, as weir does it.
pub const SCALERS: &str =
    "[0:v]split[v0][a];[a]scale=1280:720:flags=bilinear,split[v1][b];[b]scale=640:360:flags=bilinear[v2]";

/// One decode, the same scalers in cascade, the same encoders with the same settings, CMAF segments and playlists.
pub async fn run(folder: &Path, cpu: u32) -> Result<Ladder> {
    let out = fresh(folder, FOLDER)?;
    let spent = spent_by("ffmpeg", &args(), folder, cpu).await?;
    let mut files = Vec::new();
    for (index, rung) in RUNGS.iter().enumerate() {
        let mut bytes =
            std::fs::read(out.join(format!("init_{index}.mp4"))).context("no initialisation of ffmpeg's")?;
        let segments = (0..).map(|number| out.join(format!("v{index}-{number}.m4s"))).take_while(|path| path.exists());
        for segment in segments {
            bytes.extend(std::fs::read(segment)?);
        }
        let file = out.join(format!("{}.mp4", rung.name));
        std::fs::write(&file, bytes)?;
        files.push(file);
    }
    Ok(Ladder { spent, files })
}

/// What is run.
pub fn command_line() -> String {
    shell("ffmpeg", &args())
}

fn args() -> Vec<String> {
    let mut args = arguments(&format!("-nostdin -v error -y -readrate {SPEED} -i {CLIP} -filter_complex {SCALERS}"));
    for (index, rung) in RUNGS.iter().enumerate() {
        args.extend(arguments(&format!("-map [v{index}] {}", rung_options(index, rung))));
    }
    args.extend(x264_options());
    args.extend(arguments(
        "-map 0:a:0 -c:a copy -f hls -hls_time 2 -hls_list_size 0 -hls_segment_type fmp4 \
         -hls_flags independent_segments -master_pl_name index.m3u8 -var_stream_map",
    ));
    args.push("v:0,agroup:a v:1,agroup:a v:2,agroup:a a:0,agroup:a".to_owned());
    args.extend(arguments(&format!("-hls_segment_filename {FOLDER}/v%v-%d.m4s {FOLDER}/v%v.m3u8")));
    args
}

/// What is set for one rung, which is video stream `index` of an output.
pub fn rung_options(index: usize, rung: &Rung) -> String {
    let Rung { kbps, profile, .. } = rung;
    // The VBV holds a second, as weir's does. Without -threads every encoder would have as many as there are cores and
    // more, which costs time and pictures.
    format!(
        "-profile:v:{index} {profile} -b:v:{index} {kbps}k -maxrate:v:{index} {kbps}k -bufsize:v:{index} {kbps}k \
         -threads:v:{index} 1"
    )
}

/// What is set for all rungs alike.
pub fn x264_options() -> Vec<String> {
    arguments(&format!(
        "-c:v libx264 -preset {PRESET} -bf 0 -x264-params rc-lookahead=0:sync-lookahead=0:mbtree=0 -g 60 -keyint_min 60 \
         -sc_threshold 0 -fps_mode passthrough"
    ))
}
