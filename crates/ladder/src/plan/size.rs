use weir_media::SpsInfo;

/// A picture that falls short of a box by up to this part still fills it, and one that misses the declared size by
/// no more is no mismatch: encoders crop a few lines, or leave 1088 uncropped.
const TOLERANCE_PERCENT: u64 = 2;
/// A fitted side this near to the box's takes the box's, so that all rungs have one aspect ratio.
const SNAP_PERCENT: u32 = 1;
/// Shortest side that is encoded: one macroblock. Only a freakish aspect ratio comes near it.
const MIN_SIDE: u32 = 16;

/// Width and height in square pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// The same box turned to stand upright when `picture` does.
    fn turned_like(self, picture: Size) -> Size {
        let upright = picture.height > picture.width;
        if upright == (self.height > self.width) { self } else { Size { width: self.height, height: self.width } }
    }
}

/// The picture in square pixels: stretched along one side, never squeezed, so that no detail is lost.
pub(super) fn display_size(sps: &SpsInfo) -> Size {
    let (wide, high) = sps.sample_aspect;
    let stretch = |side: u32, by: u32, over: u32| {
        let (side, by, over) = (u64::from(side), u64::from(by), u64::from(over.max(1)));
        u32::try_from((side * by + over / 2) / over).unwrap_or(u32::MAX)
    };
    if wide >= high {
        Size { width: stretch(sps.width, wide, high), height: sps.height }
    } else {
        Size { width: sps.width, height: stretch(sps.height, high, wide) }
    }
}

/// Whether `picture` is large enough to fill `area` along at least one side.
pub(super) fn fits(picture: Size, area: Size) -> bool {
    let area = area.turned_like(picture);
    let fills = |side: u32, wanted: u32| u64::from(side) * (100 + TOLERANCE_PERCENT) >= u64::from(wanted) * 100;
    fills(picture.width, area.width) || fills(picture.height, area.height)
}

/// Whether `picture` fills `area` and does not stand out of it.
pub(super) fn matches(picture: Size, area: Size) -> bool {
    let turned = area.turned_like(picture);
    let within = |side: u32, most: u32| u64::from(side) * 100 <= u64::from(most) * (100 + TOLERANCE_PERCENT);
    fits(picture, area) && within(picture.width, turned.width) && within(picture.height, turned.height)
}

/// The largest even size with the picture's aspect ratio that neither exceeds `area` nor the picture.
pub(super) fn fit(picture: Size, area: Size) -> Size {
    let area = area.turned_like(picture);
    let (pw, ph) = (u64::from(picture.width.max(1)), u64::from(picture.height.max(1)));
    let (aw, ah) = (u64::from(area.width), u64::from(area.height));
    let (width, height) = if pw <= aw && ph <= ah {
        (pw, ph)
    } else if aw * ph <= ah * pw {
        (aw, (ph * aw + pw / 2) / pw)
    } else {
        ((pw * ah + ph / 2) / ph, ah)
    };
    Size {
        width: side(width as u32, area.width, picture.width),
        height: side(height as u32, area.height, picture.height),
    }
}

fn side(fitted: u32, area: u32, picture: u32) -> u32 {
    let near = fitted.abs_diff(area) * 100 <= area * SNAP_PERCENT && area <= picture;
    let wanted = if near { area } else { fitted };
    let even = (wanted + 1) & !1;
    let even = if even > picture || even > area { wanted & !1 } else { even };
    even.max(MIN_SIDE)
}
