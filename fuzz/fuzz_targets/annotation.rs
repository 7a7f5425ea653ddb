//! Reads any text inside annotations.
#![no_main]

#[path = "../../tests/sound/mod.rs"]
mod sound;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| sound::assert_sound_at(sound::Where::Annotation, bytes));
