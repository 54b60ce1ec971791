// SPDX-License-Identifier: MIT
//! A CPU for a thread: the kernel likes to put two threads that wake each other on one.

extern "C" {
    fn sched_setaffinity(pid: i32, bytes: usize, mask: *const u64) -> i32;
}

/// The calling thread, and those it starts later.
pub fn pin(cpu: usize) {
    let mask = 1u64 << cpu;
    // SAFETY: eight bytes, as said.
    unsafe { sched_setaffinity(0, 8, &mask) };
}
