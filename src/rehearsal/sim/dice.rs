//! Repeatable chance: the same seed plays the same world, also after a restart.

use serde::{Deserialize, Serialize};

/// A stream of numbers that look random and are not (SplitMix64).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dice {
    state: u64,
}

/// The letters Kubernetes uses in generated names: no vowels, so that no words come out.
const NAME_LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    pub fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.state)
    }

    /// A number from `low` up to, not including, `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + unit(self.roll()) * (high - low)
    }

    /// The random end of a generated name, such as `x2vbn`.
    pub fn suffix(&mut self) -> String {
        (0..5).map(|_| char::from(NAME_LETTERS[(self.roll() % 27) as usize])).collect()
    }

    /// A version 4 UUID.
    pub fn uid(&mut self) -> String {
        let (high, low) = (self.roll(), self.roll());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | (low >> 48) & 0x3fff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// A number from 0 up to 1 that depends on the seed and the index only.
pub fn chance(seed: u64, index: u64) -> f64 {
    unit(finish(seed ^ finish(index.wrapping_add(0x9e37_79b9_7f4a_7c15))))
}

/// FNV-1a over text.
pub fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A number as the controllers spell it in names: its decimal digits, moved to the name letters.
pub fn name_digits(number: u32) -> String {
    number.to_string().bytes().map(|digit| char::from(NAME_LETTERS[usize::from(digit) % 27])).collect()
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_rolls_the_same_names() {
        let mut one = Dice::new(7);
        let mut two = Dice::new(7);
        assert_eq!((one.suffix(), one.uid()), (two.suffix(), two.uid()));
        assert_ne!(one.suffix(), one.suffix());
    }

    #[test]
    fn chance_stays_between_zero_and_one() {
        assert!((0..1000).map(|index| chance(3, index)).all(|unit| (0.0..1.0).contains(&unit)));
    }
}
