// SPDX-License-Identifier: MIT
//! never-runs, timer-stall: the future given to block_on blocks the only thread that drives its runtime. On a multi-thread
//! runtime, the cure of one of them, that thread is no worker, and nobody is harmed.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::{interval, sleep};

use super::stuck::nap_and_settle;
use super::{company, in_thread, ms, Variant};
use crate::behaviours::OVER;
use crate::spawn::spawn;
use crate::truth::{kinds, Kind};

kinds! { CHORE "chore"    BELL "bell" }

pub const VARIANTS: &[Variant] = &[
    Variant { name: "root_sleep", start: root_sleep },
    Variant { name: "root_channel", start: root_channel },
    Variant { name: "root_spin", start: root_spin },
    Variant { name: "root_main", start: root_main },
    Variant { name: "root_timer", start: root_timer },
];

async fn chore() { // gallery: root_sleep root_channel root_spin
    let mut beat = interval(ms(20));
    let mut done: u64 = 0; // and so its code is not one with another's, which would have no name
    while !OVER.load(Relaxed) {
        beat.tick().await;
        done = std::hint::black_box(done + 1);
    }
}

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn block(time: Duration) {
    while !OVER.load(Relaxed) {
        thread::sleep(time);
    }
}

/// The cure is a thread for the runtime beside the one that blocks.
fn root_sleep(healthy: bool) {
    company();
    in_thread(move || {
        let many = || Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let rt = if healthy { many() } else { one_thread() };
        rt.block_on(async {
            drop(spawn(&CHORE, chore())); // gallery: root_sleep
            block(ms(30_000));
        });
    });
}

/// Nobody ever sends; the lock of such a channel is waited for in a futex, as a worker is that has nothing to do.
fn root_channel(healthy: bool) {
    company();
    in_thread(move || {
        one_thread().block_on(async {
            drop(spawn(&CHORE, chore())); // gallery: root_channel
            if healthy {
                let (_to, mut from) = tokio::sync::mpsc::channel::<u8>(1);
                from.recv().await;
            } else {
                let (_to, from) = mpsc::channel::<u8>();
                let _ = from.recv();
            }
        });
    });
}

fn compute() {
    let begun = Instant::now();
    let mut n: u64 = 0;
    while !OVER.load(Relaxed) && begun.elapsed() < Duration::from_secs(60) {
        n = std::hint::black_box(n.wrapping_mul(31).wrapping_add(7));
    }
}

fn root_spin(healthy: bool) {
    company();
    in_thread(move || {
        one_thread().block_on(async {
            drop(spawn(&CHORE, chore())); // gallery: root_spin
            if healthy {
                let _ = tokio::task::spawn_blocking(compute).await;
            } else {
                compute();
            }
        });
    });
}

/// The program has no other runtime: nothing at all goes on in it.
fn root_main(healthy: bool) {
    company();
    if !healthy {
        block(ms(30_000));
    }
}

async fn bell() { // gallery: root_timer
    let mut rung: u64 = 0;
    while !OVER.load(Relaxed) {
        sleep(ms(100)).await;
        rung = std::hint::black_box(rung + 2);
    }
}

/// Its timers were armed before.
fn root_timer(healthy: bool) {
    company();
    in_thread(move || {
        one_thread().block_on(async {
            drop(spawn(&BELL, bell())); // gallery: root_timer
            nap_and_settle(ms(250)).await;
            while !OVER.load(Relaxed) {
                if healthy {
                    sleep(ms(30_000)).await;
                } else {
                    thread::sleep(ms(30_000));
                }
            }
        });
    });
}
