// SPDX-License-Identifier: MIT
//! Ways to be busy, or to do nothing, that are no trouble.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use rayon::prelude::*;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, oneshot, watch, Mutex};
use tokio::task::{spawn_blocking, yield_now, JoinSet};
use tokio::time::{interval, sleep, sleep_until, timeout, Instant};

use crate::work::burn;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}
const fn us(n: u64) -> Duration {
    Duration::from_micros(n)
}

/// Company that would suffer.
pub fn tickers(n: usize, period: Duration) {
    for _ in 0..n {
        tokio::spawn(async move {
            let mut tick = interval(period);
            loop {
                tick.tick().await;
            }
        });
    }
}

/// 10,000 tasks appear within some seconds and stay. By the clock: where timers come late it takes no longer.
fn ramp() {
    tokio::spawn(async {
        let begin = Instant::now();
        for i in 0..10_000 {
            tokio::spawn(std::future::pending::<()>());
            if i % 5 == 4 {
                sleep_until(begin + ms(i)).await;
            }
        }
    });
}

/// 500 tasks at once, every 2 s, that all end.
fn bursts() {
    tokio::spawn(async {
        loop {
            for i in 0..500 {
                tokio::spawn(sleep(ms(300 + i)));
            }
            sleep(ms(2000)).await;
        }
    });
}

fn many_tickers() {
    tickers(5000, ms(100));
}

/// Polls of 30 us that do their work and yield, without end.
fn yields() {
    for _ in 0..3 {
        tokio::spawn(async {
            loop {
                burn(us(30));
                yield_now().await;
            }
        });
    }
}

/// CPU work and blocking calls where they belong.
fn pool() {
    for _ in 0..4 {
        tokio::spawn(async {
            loop {
                let _ = spawn_blocking(|| {
                    burn(ms(200));
                    std::thread::sleep(ms(100));
                })
                .await;
            }
        });
    }
}

/// Blocks its thread, and another one takes over what the worker had to do. It sleeps there, computes, or runs a future of its own.
fn in_place() {
    for _ in 0..2 {
        tokio::spawn(async {
            for i in 0u64.. {
                tokio::task::block_in_place(|| {
                    if i % 3 == 0 {
                        std::thread::sleep(ms(80));
                    } else if i % 3 == 1 {
                        burn(ms(300));
                    } else {
                        tokio::runtime::Handle::current().block_on(sleep(ms(80)));
                    }
                });
                sleep(ms(40)).await;
            }
        });
    }
}

fn sleepers() {
    for _ in 0..1000 {
        tokio::spawn(sleep(Duration::from_secs(3600)));
    }
}

/// Lines to stdout, each a short system call.
fn log() {
    for _ in 0..20 {
        tokio::spawn(async {
            loop {
                let _ = writeln!(std::io::stdout(), "2026-01-01T00:00:00Z INFO request served in 120 us, 512 bytes");
                sleep(ms(5)).await;
            }
        });
    }
}

/// CPU work on the threads of rayon; the task waits for its answer.
fn rayon() {
    for _ in 0..4 {
        tokio::spawn(async {
            loop {
                let (answer, sum) = oneshot::channel();
                rayon::spawn(move || {
                    let _ = answer.send((0..64u64).into_par_iter().map(|_| burn(ms(1)) & 1).sum::<u64>());
                });
                let _ = sum.await;
            }
        });
    }
}

/// A bounded queue at saturation: producer and consumer wake each other, and work.
fn pipeline() {
    let (tx, mut rx) = mpsc::channel(8);
    tokio::spawn(async move {
        let mut n = 0u64;
        while tx.send(n).await.is_ok() {
            n += 1;
            burn(us(20));
        }
    });
    tokio::spawn(async move {
        while rx.recv().await.is_some() {
            burn(us(40));
        }
    });
}

/// Timers that are set and nearly never fire.
fn timeouts() {
    for _ in 0..20 {
        tokio::spawn(async {
            loop {
                let _ = timeout(Duration::from_secs(30), sleep(ms(2))).await;
            }
        });
    }
}

/// Two attempts at each thing, the slower one aborted: a change of mind.
fn hedged() {
    for _ in 0..10 {
        tokio::spawn(async {
            let mut n = 0;
            loop {
                let mut set = JoinSet::new();
                set.spawn(sleep(ms(20 + n % 30)));
                sleep(ms(15)).await;
                set.spawn(sleep(ms(20)));
                let _ = set.join_next().await;
                n += 7;
            }
        });
    }
}

/// A lock of Tokio that many want, and one of std that is held for microseconds.
fn locks() {
    let slow = Arc::new(Mutex::new(0u64));
    let quick = Arc::new(std::sync::Mutex::new(0u64));
    for _ in 0..30 {
        let (slow, quick) = (slow.clone(), quick.clone());
        tokio::spawn(async move {
            loop {
                {
                    let mut held = slow.lock().await;
                    *held += 1;
                    sleep(ms(1)).await;
                }
                *quick.lock().expect("no panic under it") += burn(us(5)) & 1;
                sleep(ms(3)).await;
            }
        });
    }
}

/// Files by way of tokio::fs.
fn files() {
    for i in 0..8 {
        tokio::spawn(async move {
            let path = std::env::temp_dir().join(format!("healthy.{}.{i}", std::process::id()));
            loop {
                let _ = tokio::fs::write(&path, vec![7u8; 65536]).await;
                let _ = tokio::fs::read(&path).await;
                let _ = tokio::fs::remove_file(&path).await;
                sleep(ms(10)).await;
            }
        });
    }
}

/// Everything waits for a table that takes 2.5 s to make, in the pool, after 0.8 s of work before the runtime is driven.
pub fn slow_start(rt: &Runtime, seconds: f64) {
    crate::ready(None);
    burn(ms(800));
    rt.block_on(async {
        let (done, wait) = watch::channel(false);
        for _ in 0..100 {
            let mut wait = wait.clone();
            tokio::spawn(async move {
                let _ = wait.wait_for(|done| *done).await;
                let mut tick = interval(ms(20));
                loop {
                    tick.tick().await;
                }
            });
        }
        let _ = spawn_blocking(|| burn(ms(2500))).await;
        let _ = done.send(true);
        crate::the_end(seconds).await;
    });
}

const ALL: [(&str, fn()); 14] = [
    ("bursts", bursts),
    ("files", files),
    ("hedged", hedged),
    ("in_place", in_place),
    ("locks", locks),
    ("log", log),
    ("pipeline", pipeline),
    ("pool", pool),
    ("ramp", ramp),
    ("rayon", rayon),
    ("sleepers", sleepers),
    ("tickers", many_tickers),
    ("timeouts", timeouts),
    ("yields", yields),
];

pub fn names() -> String {
    ALL.map(|(name, _)| name).join(" ")
}

pub fn find(name: &str) -> Option<fn()> {
    ALL.iter().find(|(n, _)| *n == name).map(|(_, start)| *start)
}
