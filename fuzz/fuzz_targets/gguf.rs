#![no_main]

#[path = "../../crates/holdall-formats/tests/untrusted/exercise.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    exercise::exercise("gguf", bytes);
});
