// What the Rust pieces of tui/knowledge/ may name.
#![allow(unused, dead_code, clippy::all)]
pub async fn work() {}
pub fn crunch() -> u64 {
    1
}
pub fn step(_: i32) {}
