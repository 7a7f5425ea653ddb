//! Reads any text in a block that a shell runs.
#![no_main]

#[path = "../../tests/sound/mod.rs"]
mod sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sound::assert_sound_at(sound::Where::Shell, bytes));
