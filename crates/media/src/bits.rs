/// Reads bits from the most significant on.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// A reader at the first bit.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bits were read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The next `count` bits, at most 32; `None` when there are fewer.
    pub fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// The next `count` bits as bytes, zeros behind them where they do not fill the last; `None` when there are fewer.
    pub fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        if count > self.bytes.len() * 8 - self.at.min(self.bytes.len() * 8) {
            return None;
        }
        let mut out = Vec::with_capacity(count.div_ceil(8));
        let mut left = count;
        while left > 0 {
            let step = left.min(8);
            out.push((self.take(step)? << (8 - step)) as u8);
            left -= step;
        }
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_and_never_beyond_the_end() {
        let mut bits = BitReader::new(&[0b1010_0110, 0xff]);
        assert_eq!((bits.take(3), bits.take(5), bits.position()), (Some(0b101), Some(0b00110), 8));
        assert_eq!(bits.clone().bytes(3), Some(vec![0b1110_0000]));
        assert_eq!(bits.bytes(9), None);
        assert_eq!((bits.take(8), bits.take(1)), (Some(0xff), None));
    }
}
