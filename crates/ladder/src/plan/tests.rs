use proptest::prelude::*;
use weir_media::{FrameRate, SpsInfo};

use super::*;

fn sps(width: u32, height: u32, sample_aspect: (u32, u32)) -> SpsInfo {
    SpsInfo { width, height, sample_aspect, declared_rate: None, interlaced: false, bit_depth: 8, chroma_format_idc: 1 }
}

fn text(declared: DeclaredInput, sps: &SpsInfo, rate: FrameRate) -> String {
    let plan = plan(declared, &default_rungs(), sps, rate, 2000);
    let rungs: Vec<String> = plan
        .rungs
        .iter()
        .map(|r| format!("{} {}x{}@{} {}k {}", r.name, r.width, r.height, r.frame_rate, r.kbps, r.profile.name()))
        .collect();
    format!("{} / {} frames", rungs.join(", "), plan.frames_per_segment)
}

use DeclaredInput::{P720, P1080};
const FPS30: FrameRate = FrameRate::new(30, 1);

#[test]
fn a_1080p_picture_fills_three_rungs_and_a_720p_picture_two() {
    let full =
        "1080p 1920x1080@30.000 5000k high, 720p 1280x720@30.000 3000k high, 360p 640x360@30.000 800k main / 60 frames";
    let two = "720p 1280x720@30.000 3000k high, 360p 640x360@30.000 800k main / 60 frames";
    assert_eq!(text(P1080, &sps(1920, 1080, (1, 1)), FPS30), full);
    assert_eq!(text(P720, &sps(1280, 720, (1, 1)), FPS30), two);
    assert_eq!(text(P720, &sps(1920, 1080, (1, 1)), FPS30), two);
    assert_eq!(text(P1080, &sps(1280, 720, (1, 1)), FPS30), two);
}

#[test]
fn an_uncropped_or_slightly_cropped_1080p_picture_counts_as_1080p() {
    let name = |w, h| text(P1080, &sps(w, h, (1, 1)), FPS30).split(',').next().map(str::to_owned).expect("rungs");
    assert_eq!(name(1920, 1088), "1080p 1920x1080@30.000 5000k high");
    assert_eq!(name(1918, 1080), "1080p 1918x1080@30.000 5000k high");
    assert_eq!(name(1904, 1070), "1080p 1904x1070@30.000 5000k high");
    assert_eq!(name(1800, 1012), "720p 1280x720@30.000 3000k high");
}

#[test]
fn fast_pictures_get_the_higher_rate_and_lose_every_second_frame_at_the_bottom() {
    let plan = plan(P1080, &default_rungs(), &sps(1920, 1080, (1, 1)), FrameRate::new(60_000, 1001), 2000);
    let kbps: Vec<u32> = plan.rungs.iter().map(|rung| rung.kbps).collect();
    assert_eq!(kbps, [6000, 4500, 800]);
    assert_eq!((plan.rungs[2].frame_rate, plan.rungs[2].frame_step), (FrameRate::new(30_000, 1001), 2));
    assert_eq!(plan.frames_per_segment, 120);
}

#[test]
fn segment_boundaries_are_frames_of_every_rung() {
    let plan = plan(P1080, &default_rungs(), &sps(1920, 1080, (1, 1)), FrameRate::new(50, 1), 500);
    assert_eq!(plan.frames_per_segment, 26);
}

#[test]
fn aspect_is_kept_and_pixels_become_square() {
    assert!(text(P1080, &sps(1440, 1080, (1, 1)), FPS30).starts_with("1080p 1440x1080@30.000"));
    assert!(text(P1080, &sps(1440, 1080, (4, 3)), FPS30).starts_with("1080p 1920x1080@30.000"));
    let cinema = text(P1080, &sps(1920, 804, (1, 1)), FPS30);
    assert!(
        cinema.contains("1080p 1920x804@") && cinema.contains("720p 1280x536@") && cinema.contains("360p 640x268@")
    );
}

#[test]
fn an_upright_picture_fills_upright_boxes() {
    let upright = text(P1080, &sps(1080, 1920, (1, 1)), FPS30);
    assert!(
        upright.contains("1080x1920@") && upright.contains("720x1280@") && upright.contains("360x640@"),
        "{upright}"
    );
}

#[test]
fn a_picture_smaller_than_every_rung_is_the_lowest_rung_in_its_own_size() {
    assert_eq!(text(P1080, &sps(320, 241, (1, 1)), FPS30), "360p 320x240@30.000 800k main / 60 frames");
}

#[test]
fn a_mismatch_makes_a_sentence() {
    let mismatch = |declared, w, h| {
        let plan = plan(declared, &default_rungs(), &sps(w, h, (1, 1)), FPS30, 2000);
        plan.mismatch.map(|mismatch| mismatch.to_string())
    };
    assert_eq!(mismatch(P1080, 1920, 1088), None);
    assert_eq!(mismatch(P1080, 1440, 1080), None);
    assert_eq!(
        mismatch(P1080, 1280, 720).as_deref(),
        Some("the encoder sends 1280x720, declared was 1080p (1920x1080): rungs above the real picture are left out")
    );
    assert_eq!(
        mismatch(P720, 1920, 1080).as_deref(),
        Some("the encoder sends 1920x1080, declared was 720p (1280x720): the surplus is scaled away")
    );
}

proptest! {
    #[test]
    fn whatever_comes_is_never_enlarged_and_always_even(
        width in 16_u32..=8192,
        height in 16_u32..=8192,
        aspect in (1_u32..=65_535, 1_u32..=65_535),
        tall in any::<bool>(),
        rate in 0..FrameRate::STANDARD.len(),
    ) {
        let sps = sps(width, height, aspect);
        let picture = display_size(&sps);
        let plan = plan(if tall { P1080 } else { P720 }, &default_rungs(), &sps, FrameRate::STANDARD[rate], 2000);
        prop_assert!(!plan.rungs.is_empty());
        for rung in &plan.rungs {
            prop_assert!(rung.width % 2 == 0 && rung.height % 2 == 0);
            prop_assert!(rung.width <= picture.width.max(16) && rung.height <= picture.height.max(16));
            prop_assert_eq!(plan.frames_per_segment % rung.frame_step, 0);
        }
        for pair in plan.rungs.windows(2) {
            prop_assert!(pair[0].width >= pair[1].width && pair[0].height >= pair[1].height);
        }
    }
}
