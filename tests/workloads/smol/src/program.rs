// SPDX-License-Identifier: MIT
//! The program around the behaviours, the same for smol and async-std. As tests/workloads/tokio, it prints as JSON when it
//! ends what really happened.
//!
//!     smol_workload [--workers N] [--seconds S] [--wait] [--healthy] BEHAVIOUR...
//!     smol_workload [--workers N] --echo PORT
//!
//! `all`, `sound` stand for lists of behaviours. --healthy: of those in sick.rs and load.rs the twins; --variant
//! NAME: one of them. --wait: they begin at SIGUSR1. Ends at SIGTERM, SIGINT or after --seconds.
//! Prints "ready PID", with --echo the port beside it (0 = any).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::{behaviours, load, rt, sick, steady, truth};

static GO: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

struct Options {
    workers: usize,
    seconds: f64,
    wait: bool,
    healthy: bool,
    echo: Option<u16>,
    names: Vec<String>,
}

fn usage(what: &str) -> ! {
    eprintln!("workload: {what}; behaviours: all sound {} {}", behaviours::names(), sick::names());
    std::process::exit(2)
}

fn options() -> Options {
    let mut o = Options { workers: 2, seconds: 1e9, wait: false, healthy: false, echo: None, names: vec![] };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--workers" => o.workers = value().parse().unwrap_or_else(|_| usage("bad --workers")),
            "--seconds" => o.seconds = value().parse().unwrap_or_else(|_| usage("bad --seconds")),
            "--variant" => {
                let name = value();
                if !sick::known(&name) {
                    usage(&format!("{name} is not known"));
                }
                o.names.push(name);
            }
            "--wait" => o.wait = true,
            "--healthy" => o.healthy = true,
            "--echo" => o.echo = Some(value().parse().unwrap_or_else(|_| usage("bad port"))),
            name if behaviours::known(name) || sick::known(name) => o.names.push(arg),
            _ => usage(&format!("{arg} is not known")),
        }
    }
    if o.echo.is_none() && o.names.is_empty() {
        usage("nothing to do");
    }
    o
}

/// Handlers that only set a flag need no crate.
mod signals {
    use super::{Relaxed, GO, STOP};

    const INT: i32 = 2;
    const USR1: i32 = 10;
    const TERM: i32 = 15;

    extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    }

    extern "C" fn on_signal(number: i32) {
        if number == USR1 { &GO } else { &STOP }.store(true, Relaxed);
    }

    pub fn catch() {
        for number in [INT, USR1, TERM] {
            // SAFETY: the handler does nothing but store to an atomic.
            unsafe { signal(number, on_signal) };
        }
    }
}

async fn until(what: &AtomicBool, end: Instant) {
    while !what.load(Relaxed) && !STOP.load(Relaxed) && Instant::now() < end {
        rt::sleep(Duration::from_millis(20)).await;
    }
}

async fn run(o: &Options) {
    let end = Instant::now() + Duration::from_secs_f64(o.seconds.min(1e9));
    if let Some(port) = o.echo {
        let port = behaviours::serve(port).await;
        println!("ready {} {port}", std::process::id());
    } else {
        let ready = || println!("ready {}", std::process::id());
        if o.wait {
            ready();
            until(&GO, end).await;
        }
        o.names.iter().for_each(|name| behaviours::start(name));
        o.names.iter().for_each(|name| sick::start(name, o.healthy));
        if !o.wait {
            ready();
        }
    }
    until(&STOP, end).await;
    behaviours::OVER.store(true, Relaxed);
}

pub fn main() {
    let o = options();
    std::panic::set_hook(Box::new(|_| {})); // panics are one of the behaviours
    signals::catch();
    let workers = load::workers(&o.names, o.healthy).unwrap_or(o.workers);
    rt::run(workers, run(&o));
    truth::STOPPING.store(true, Relaxed);
    behaviours::join_threads();
    truth::freeze();
    let kinds = [behaviours::kinds(), sick::kinds(), load::kinds(), steady::kinds()].concat();
    truth::print(rt::NAME, workers, &kinds);
}
