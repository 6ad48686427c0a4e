//! A presentation that is private first, and then open to the public at the present.

use crate::epoch::OpenEpoch;
use crate::rates::Rates;
use crate::segmenter::Segmenter;
use crate::window::Window;

impl Window {
    /// Has the public begin with the next segment, if the window is private and was not told so before. Answers if so.
    pub(crate) fn open_to_public(&mut self) -> bool {
        let opens = self.private && !self.opening && !self.ended;
        if opens {
            self.opening = true;
            self.record_opening();
        }
        opens
    }

    /// Drops everything there is, so that nobody can see or fetch what was sent in private. Its numbers stay used.
    /// The tracks stay too, for their indices stand in the open epoch, but what they take is measured anew.
    pub(crate) fn cut(&mut self) {
        self.slots.clear();
        self.removed.clear();
        for track in &mut self.tracks {
            (track.rates, track.iframe_rates) = (Rates::default(), Rates::default());
        }
        (self.private, self.opening) = (false, false);
        (self.finished, self.longest_us) = (0, 0);
    }
}

impl OpenEpoch {
    /// Has the public begin with the first segment of which no rendition has a frame yet.
    pub(crate) fn open_to_public(&mut self) {
        self.public_from = self.renditions.iter().map(Segmenter::untouched).max().unwrap_or(0);
    }
}
