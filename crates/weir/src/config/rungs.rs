//! `[[ladder.rung]]`.

use toml::Spanned;
use weir_ladder::{Profile, RungSpec, default_rungs};

use super::channels::is_url_name;
use super::check::Check;
use super::problem::Problem;
use super::raw::RawRung;

/// More renditions than any player chooses from, and each costs an encoder.
const RUNGS_MAX: usize = 8;

/// The name of the audio rendition.
const AUDIO_NAME: &str = "audio";

/// All rungs, the ladder's own when none is given; best first, because each is scaled from the one before it.
pub fn rungs(check: &mut Check<'_>, raw: &[Spanned<RawRung>]) -> Vec<RungSpec> {
    if let Some(extra) = raw.get(RUNGS_MAX) {
        check.note(Problem::new(format!("more than {RUNGS_MAX} rungs"), extra.span(), "one too many"));
    }
    if raw.is_empty() {
        return default_rungs();
    }
    let mut rungs: Vec<RungSpec> = Vec::new();
    for raw in raw {
        let Some(rung) = rung(check, raw) else { continue };
        if rungs.iter().any(|earlier| earlier.name == rung.name) {
            check.note(Problem::new(format!("two rungs have the name \"{}\"", rung.name), raw.span(), "the second"));
        }
        if rungs.last().is_some_and(|last| rung.width > last.width || rung.height > last.height) {
            let message = format!("rung \"{}\" is larger than the one before it", rung.name);
            check
                .note(Problem::new(message, raw.span(), "larger").help("list the rungs from the best to the smallest"));
        }
        rungs.push(rung);
    }
    rungs
}

fn rung(check: &mut Check<'_>, spanned: &Spanned<RawRung>) -> Option<RungSpec> {
    let (at, raw) = (spanned.span(), spanned.get_ref());
    let help = "a rung needs name, width, height and kbps";
    let name = check.required(&raw.name, "name", at.clone(), help);
    let width = check.required(&raw.width, "width", at.clone(), help);
    let height = check.required(&raw.height, "height", at.clone(), help);
    let kbps = check.required(&raw.kbps, "kbps", at, help);

    let name = name.filter(|name| valid_name(check, name)).map(|name| name.get_ref().clone());
    let width = width.and_then(|width| pixels(check, width, "width", 3840));
    let height = height.and_then(|height| pixels(check, height, "height", 3840));
    let kbps = kbps.and_then(|kbps| check.number(kbps, "kbps", 50..=50_000, "kbps"));
    let kbps_high = raw.kbps_high.as_ref().map(|high| check.number(high, "kbps_high", 50..=50_000, "kbps"));
    let fps_max = raw.fps_max.as_ref().and_then(|fps| check.number(fps, "fps_max", 10..=60, "frames per second"));
    let profiles = [("main", Profile::Main), ("high", Profile::High)];
    let profile = check.word_or(&raw.profile, "profile", &profiles, Profile::High);

    let kbps = kbps?;
    let kbps_high = kbps_high.unwrap_or(Some(kbps))?;
    if let Some(value) = raw.kbps_high.as_ref().filter(|_| kbps_high < kbps) {
        let message = format!("`kbps_high` is {kbps_high}, below `kbps` {kbps}");
        check
            .note(Problem::new(message, value.span(), "too low").help("it is the bit rate above 30 frames per second"));
    }
    Some(RungSpec { name: name?, width: width?, height: height?, kbps, kbps_high, fps_max, profile })
}

fn valid_name(check: &mut Check<'_>, name: &Spanned<String>) -> bool {
    let fault = match name.get_ref().as_str() {
        AUDIO_NAME => "belongs to the audio rendition",
        text if !is_url_name(text) => "cannot stand in a URL",
        _ => return true,
    };
    check.note(
        Problem::new(format!("rung name \"{}\" {fault}", name.get_ref()), name.span(), "another name is wanted")
            .help("lower-case letters, digits and hyphens, such as 1080p"),
    );
    false
}

/// 4:2:0 pictures have even sizes.
fn pixels(check: &mut Check<'_>, value: &Spanned<i64>, name: &str, most: u32) -> Option<u32> {
    let number = check.number(value, name, 64..=most, "pixels")?;
    if number % 2 != 0 {
        check.note(
            Problem::new(format!("`{name}` must be even, and is {number}"), value.span(), "odd")
                .help(format!("{name} = {}", number + 1)),
        );
        return None;
    }
    Some(number)
}
