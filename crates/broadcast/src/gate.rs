//! Which channel a stream key opens.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

/// The stream keys of all channels.
#[derive(Default)]
pub struct Gate {
    keys: Vec<Vec<u8>>,
}

impl Gate {
    /// A gate that knows the keys of channels 0, 1, 2 and so on.
    pub fn new(keys: Vec<Vec<u8>>) -> Self {
        Self { keys }
    }

    /// The index of the channel that `key` opens. Every key is compared, each in constant time, so that how
    /// long the answer takes tells nothing of how much was right.
    pub fn channel(&self, key: &[u8]) -> Option<usize> {
        let mut found = 0_u64;
        let mut any = Choice::from(0);
        for (index, known) in self.keys.iter().enumerate() {
            let equal = known.as_slice().ct_eq(key);
            found.conditional_assign(&(index as u64), equal);
            any |= equal;
        }
        bool::from(any).then_some(found as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_key_opens_its_channel() {
        let gate = Gate::new(vec![b"first-key".to_vec(), b"second-key".to_vec()]);
        assert_eq!(gate.channel(b"first-key"), Some(0));
        assert_eq!(gate.channel(b"second-key"), Some(1));
        for wrong in [&b""[..], b"first-ke", b"first-key ", b"First-key", b"third-keys"] {
            assert_eq!(gate.channel(wrong), None);
        }
        assert_eq!(Gate::default().channel(b""), None);
    }
}
