// SPDX-License-Identifier: MIT

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Uses the CPU for so long.
pub fn burn(d: Duration) -> u64 {
    let end = Instant::now() + d;
    let mut x = 1u64;
    while Instant::now() < end {
        for _ in 0..200 {
            x = black_box(x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407));
        }
    }
    x
}
