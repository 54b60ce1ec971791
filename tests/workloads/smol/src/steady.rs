// SPDX-License-Identifier: MIT
//! Busy, and sound: what scripts/stress_healthy.sh watches, the same for smol and async-std; as in tests/workloads/healthy.

use std::thread;
use std::time::Duration;

use futures_lite::future::yield_now;

use crate::behaviours::{ms, start_task};
use crate::rt::{self, sleep};
use crate::sick::{compute, Start};
use crate::truth::Kind;

crate::behaviours::kind_list! {
    YIELDS "yields"    POOL "pool"    MANY "many"    BURST "burst"    BURSTS "bursts"
}

/// Polls of 30 us that do their work and yield, without end.
fn yields() {
    for _ in 0..3 {
        start_task(&YIELDS, async {
            loop {
                compute(Duration::from_micros(30));
                yield_now().await;
            }
        });
    }
}

/// CPU work and blocking calls where they belong.
fn pool() {
    for _ in 0..4 {
        start_task(&POOL, async {
            loop {
                rt::blocking(|| {
                    compute(ms(200));
                    thread::sleep(ms(100));
                })
                .await;
            }
        });
    }
}

fn many_tickers() {
    for _ in 0..5000 {
        start_task(&MANY, async {
            loop {
                sleep(ms(100)).await;
            }
        });
    }
}

/// 500 tasks at once, every 2 s, that all end.
fn bursts() {
    start_task(&BURSTS, async {
        loop {
            for n in 0..500 {
                start_task(&BURST, sleep(ms(300 + n)));
            }
            sleep(ms(2000)).await;
        }
    });
}

pub const ALL: &[(&str, Start)] =
    &[("yields", yields), ("pool", pool), ("many_tickers", many_tickers), ("bursts", bursts)];
