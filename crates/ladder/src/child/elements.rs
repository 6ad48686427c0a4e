use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer as gst;

use super::ChildError;

/// Every element a ladder needs, and the Debian package it comes in.
const NEEDED: [(&str, &str); 14] = [
    ("queue", "libgstreamer1.0-0"),
    ("tee", "libgstreamer1.0-0"),
    ("capsfilter", "libgstreamer1.0-0"),
    ("identity", "libgstreamer1.0-0"),
    ("videotestsrc", "gstreamer1.0-plugins-base"),
    ("appsrc", "gstreamer1.0-plugins-base"),
    ("appsink", "gstreamer1.0-plugins-base"),
    ("videoconvertscale", "gstreamer1.0-plugins-base"),
    ("audioconvert", "gstreamer1.0-plugins-base"),
    ("audioresample", "gstreamer1.0-plugins-base"),
    ("x264enc", "gstreamer1.0-plugins-ugly"),
    ("avdec_h264", "gstreamer1.0-libav"),
    ("avdec_aac", "gstreamer1.0-libav"),
    ("avenc_aac", "gstreamer1.0-libav"),
];

/// The debug category through which libav's messages come.
const LIBAV: &str = "libav";

/// Complaints of libav's decoders so far: macroblocks that do not read, pictures that had to be concealed.
static DECODE_ERRORS: AtomicU64 = AtomicU64::new(0);

/// Starts GStreamer and sees that nothing is missing.
pub(super) fn prepare() -> Result<(), ChildError> {
    gst::init().map_err(|e| ChildError::Init(e.to_string()))?;
    for (element, package) in NEEDED {
        if gst::ElementFactory::find(element).is_none() {
            return Err(ChildError::Missing { element, package });
        }
    }
    count_decode_errors();
    Ok(())
}

/// How often libav has complained.
pub(super) fn decode_errors() -> u64 {
    DECODE_ERRORS.load(Ordering::Relaxed)
}

/// GStreamer's decoders keep quiet about errors they conceal; libav's own messages are the only trace of them. They
/// are counted, not printed: a bad source would flood the log.
fn count_decode_errors() {
    if std::env::var_os("GST_DEBUG").is_none() {
        gst::log::remove_default_log_function();
        gst::log::set_threshold_for_name(LIBAV, gst::DebugLevel::Error);
    }
    gst::log::add_log_function(|category, level, _, _, _, _, _| {
        if level == gst::DebugLevel::Error && category.name() == LIBAV {
            DECODE_ERRORS.fetch_add(1, Ordering::Relaxed);
        }
    });
}
