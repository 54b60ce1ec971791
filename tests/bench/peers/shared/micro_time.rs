// SPDX-License-Identifier: MIT
//! How late timers are, and what a sleeping task costs.

use crate::micro::{Clock, Cost};
use crate::rt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

async fn lateness(time: Duration) -> f64 {
    let begin = Instant::now();
    rt::sleep(time).await;
    begin.elapsed().saturating_sub(time).as_nanos() as f64 / 1e3
}

pub async fn one_by_one(ms: u64, n: usize) -> Vec<f64> {
    let mut late = Vec::with_capacity(n);
    for _ in 0..n {
        late.push(lateness(Duration::from_millis(ms)).await);
    }
    late
}

/// n deadlines, spread evenly over 100 ms that begin in 100 ms.
pub async fn at_once(n: usize) -> Vec<f64> {
    let step = Duration::from_millis(100) / n as u32;
    let handles: Vec<_> = (0..n as u32)
        .map(|i| rt::spawn(lateness(Duration::from_millis(100) + step * i)))
        .collect();
    let mut late = Vec::with_capacity(n);
    for handle in handles {
        late.push(rt::join(handle).await);
    }
    late
}

fn anonymous_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("smaps_rollup");
    let line = text.lines().find(|l| l.starts_with("Anonymous:")).expect("Anonymous");
    let kib: f64 = line.split_whitespace().nth(1).expect("number").parse().expect("number");
    kib * 1024.0
}

static ASLEEP: AtomicUsize = AtomicUsize::new(0);

pub async fn sleepers(n: usize) -> (f64, Cost) {
    let before = anonymous_bytes();
    let clock = Clock::start();
    ASLEEP.store(0, Relaxed);
    for _ in 0..n {
        rt::detach(rt::spawn(async {
            ASLEEP.fetch_add(1, Relaxed);
            rt::sleep(Duration::from_secs(3600)).await;
        }));
    }
    while ASLEEP.load(Relaxed) < n {
        rt::yield_now().await;
    }
    let cost = clock.stop(n);
    ((anonymous_bytes() - before) / n as f64, cost)
}
