// SPDX-License-Identifier: MIT
//! Two runtimes in one program, Tokio and another (rt.rs: smol; tests/workloads/mixed_async_std: async-std), as the gallery runs them:
//!
//!     mixed_workload [--workers N] [--seconds S] --variant NAME [--healthy]
//!
//! cross: requests go from tasks of the one to tasks of the other and back. beside: each has its own tasks. nested: a task of Tokio
//! blocks its worker in the other's block_on. Healthy: the same work on Tokio alone, with the other still in the program; beside:
//! three runtimes of Tokio, of which one runs a LocalSet.
//! Prints "ready PID"; ends at SIGTERM or after --seconds.

use std::future::Future;
use std::thread;
use std::time::Duration;

use async_channel::{bounded, Receiver, Sender};
use tokio::runtime::Builder;
use tokio::signal::unix::{signal, SignalKind};

use crate::rt;

const PAIRS: usize = 4;

struct Options {
    workers: usize,
    seconds: f64,
    variant: String,
    healthy: bool,
}

fn usage(what: &str) -> ! {
    eprintln!("mixed_workload: {what}; variants: cross beside nested");
    std::process::exit(2)
}

fn options() -> Options {
    let mut o = Options { workers: 2, seconds: 1e9, variant: String::new(), healthy: false };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--workers" => o.workers = value().parse().unwrap_or_else(|_| usage("bad --workers")),
            "--seconds" => o.seconds = value().parse().unwrap_or_else(|_| usage("bad --seconds")),
            "--variant" => o.variant = value(),
            "--healthy" => o.healthy = true,
            _ => usage(&format!("{arg} is not known")),
        }
    }
    o
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn spawn(on_other: bool, task: impl Future<Output = ()> + Send + 'static) {
    if on_other {
        rt::spawn(task);
    } else {
        tokio::spawn(task);
    }
}

/// The clock of the runtime that the task is on.
async fn pause(on_other: bool, time: Duration) {
    if on_other {
        rt::pause(time).await;
    } else {
        tokio::time::sleep(time).await;
    }
}

async fn ticker(on_other: bool) {
    loop {
        pause(on_other, ms(5)).await;
    }
}

async fn client(ask: Sender<u64>, answers: Receiver<u64>) {
    for n in 0.. {
        if ask.send(n).await.is_err() || answers.recv().await.is_err() {
            return;
        }
        // Its timers and its pool are good on any runtime.
        rt::pause(ms(10)).await;
        rt::unblock(move || std::hint::black_box(n)).await;
    }
}

async fn server(asked: Receiver<u64>, answer: Sender<u64>) {
    while let Ok(n) = asked.recv().await {
        if answer.send(n + 1).await.is_err() {
            return;
        }
    }
}

fn cross(healthy: bool) {
    for _ in 0..PAIRS {
        let (ask, asked) = bounded(1);
        let (answer, answers) = bounded(1);
        spawn(!healthy, server(asked, answer));
        spawn(false, client(ask, answers));
    }
}

/// Three runtimes are none too many as long as they are of one kind.
fn beside(healthy: bool) {
    for _ in 0..PAIRS {
        spawn(false, ticker(false));
        if !healthy {
            spawn(true, ticker(true));
        }
    }
    if healthy {
        for local in [false, true] {
            thread::spawn(move || {
                let rt = Builder::new_current_thread().enable_all().build().expect("a runtime");
                if local {
                    tokio::task::LocalSet::new().block_on(&rt, async {
                        tokio::task::spawn_local(ticker(false));
                        ticker(false).await
                    });
                } else {
                    rt.block_on(async {
                        tokio::spawn(ticker(false));
                        ticker(false).await
                    });
                }
            });
        }
    }
}

async fn lookup(on_other: bool) {
    pause(on_other, ms(30)).await;
}

async fn handler(healthy: bool) {
    loop {
        if healthy {
            lookup(false).await;
        } else {
            rt::block_on(lookup(true));
        }
        tokio::time::sleep(ms(20)).await;
    }
}

fn nested(healthy: bool) {
    spawn(false, handler(healthy));
    for _ in 0..4 {
        spawn(false, ticker(false));
    }
}

async fn run(o: &Options) {
    let mut stop = signal(SignalKind::terminate()).expect("SIGTERM");
    println!("ready {}", std::process::id());
    match o.variant.as_str() {
        "cross" => cross(o.healthy),
        "beside" => beside(o.healthy),
        "nested" => nested(o.healthy),
        _ => usage("bad --variant"),
    }
    let _ = tokio::time::timeout(Duration::from_secs_f64(o.seconds), stop.recv()).await;
}

pub fn main() {
    let o = options();
    if !o.healthy {
        rt::drive();
    }
    let rt = Builder::new_multi_thread().worker_threads(o.workers).enable_all().build().expect("a runtime");
    rt.block_on(run(&o));
    std::process::exit(0);
}
