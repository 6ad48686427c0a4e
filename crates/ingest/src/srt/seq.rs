/// A packet sequence number: 31 bits that wrap (draft-sharabayko-srt-01, 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seq(u32);

const MASK: u32 = 0x7fff_ffff;

impl Seq {
    /// The low 31 bits of `raw`.
    pub fn new(raw: u32) -> Self {
        Self(raw & MASK)
    }

    /// As on the wire, the top bit clear.
    pub fn raw(self) -> u32 {
        self.0
    }

    /// The number `count` places on.
    pub fn plus(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count as u32) & MASK)
    }

    /// How many places this is behind `from`; negative when before it. Right as long as both lie within half the circle.
    pub fn since(self, from: Self) -> i64 {
        // One bit up, so that the sign of 31 bits becomes the sign of 32.
        i64::from((self.0.wrapping_sub(from.0) << 1) as i32 >> 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_hold_across_the_wrap() {
        let last = Seq::new(MASK);
        assert_eq!(last.plus(3), Seq::new(2));
        assert_eq!(Seq::new(2).since(last), 3);
        assert_eq!(last.since(Seq::new(2)), -3);
        assert_eq!(Seq::new(5).since(Seq::new(5)), 0);
    }
}
