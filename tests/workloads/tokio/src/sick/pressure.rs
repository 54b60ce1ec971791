// SPDX-License-Identifier: MIT
//! long-poll, queue-backlog, worker-count, large-future, timer-late, cpu-starved: too much at once.

use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::{company, in_thread, ms, Variant};
use crate::behaviours::OVER;
use crate::neighbours;
use crate::spawn::{spawn, spawn_on};
use crate::truth::{kinds, Kind};

kinds! {
    CRUNCHER "cruncher"    GRINDER "grinder"    SESSION "session"    PUNCTUAL "punctual"
}

pub const VARIANTS: &[Variant] = &[
    Variant { name: "long", start: long },
    Variant { name: "backlog", start: backlog },
    Variant { name: "count", start: count },
    Variant { name: "large", start: large },
    Variant { name: "behind", start: behind },
    Variant { name: "starved", start: starved },
];

#[inline(never)]
fn burn(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

/// 20 ms of work every 200, in so many pieces.
async fn cruncher(pieces: u32) { // gallery: long
    while !OVER.load(Relaxed) {
        for _ in 0..pieces {
            burn(ms(20) / pieces);
            yield_now().await;
        }
        sleep(ms(200)).await;
    }
}

fn long(healthy: bool) {
    company();
    company();
    spawn(&CRUNCHER, cruncher(if healthy { 20 } else { 1 })); // gallery: long
}

async fn grinder(work: Duration) {
    while !OVER.load(Relaxed) {
        burn(work);
        yield_now().await;
    }
}

fn backlog(healthy: bool) {
    for _ in 0..if healthy { 8 } else { 2000 } {
        spawn(&GRINDER, grinder(Duration::from_micros(100)));
    }
}

/// Eight workers for each CPU, all at work.
fn count(healthy: bool) {
    let cpus = neighbours::cpus();
    let workers = if healthy { cpus } else { 8 * cpus };
    let rt = Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime");
    for _ in 0..16 * cpus {
        drop(spawn_on(rt.handle(), &GRINDER, grinder(Duration::from_micros(500))));
    }
    in_thread(move || {
        let _alive = &rt;
        std::thread::sleep(ms(50));
    });
}

/// A buffer inside each future, or on the heap. From 16 KiB on Tokio itself puts the future on the heap.
fn large(healthy: bool) {
    company();
    for _ in 0..1000 {
        if healthy {
            drop(spawn(&SESSION, async {
                let mut bytes = vec![0u8; 12288];
                while !OVER.load(Relaxed) {
                    sleep(ms(1000)).await;
                    bytes.fill(1);
                }
            }));
        } else {
            drop(spawn(&SESSION, async { // gallery: large
                let mut bytes = [0u8; 12288];
                while !OVER.load(Relaxed) {
                    sleep(ms(1000)).await;
                    bytes.fill(1);
                }
            }));
        }
    }
}

async fn punctual() {
    let mut woken: u64 = 0; // and so its code is not one with another's, which would have no name
    while !OVER.load(Relaxed) {
        sleep(ms(20)).await;
        woken = std::hint::black_box(woken + 3);
    }
}

/// Always runnable and never for long: the driver is turned only when all of them had their turn.
fn behind(healthy: bool) {
    for _ in 0..if healthy { 2 } else { 44 } {
        spawn(&GRINDER, grinder(ms(1)));
    }
    for _ in 0..8 {
        spawn(&PUNCTUAL, punctual()); // gallery: behind
    }
}

/// Others take the CPUs.
fn starved(healthy: bool) {
    spawn(&GRINDER, grinder(Duration::from_micros(200)));
    if !healthy {
        neighbours::crowd();
    }
}
