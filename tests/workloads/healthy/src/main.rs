// SPDX-License-Identifier: MIT
//! Healthy programs that look like trouble, on Tokio and what people put beside it: none of them gives a finding.
//!
//!     healthy_workload [--current-thread] [--workers N] [--seconds S] VARIANT
//!
//! The variants are in `tasks.rs` (ways to be busy or idle), `services.rs` (an axum service, blocking clients of one) and `actix.rs`;
//! actix and reqwest take longest to build and are the feature `web`.
//! Prints "ready pid=PID [port=PORT]" when it is up; ends at SIGTERM or after --seconds.

#[cfg(feature = "web")]
mod actix;
mod services;
mod tasks;
mod work;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{signal, SignalKind};

pub struct Options {
    current_thread: bool,
    workers: usize,
    seconds: f64,
    variant: String,
}

fn usage(what: &str) -> ! {
    eprintln!("healthy_workload: {what}; variants: actix http reqwest start {}", tasks::names());
    std::process::exit(2)
}

fn options() -> Options {
    let mut o = Options { current_thread: false, workers: 2, seconds: 90.0, variant: String::new() };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--current-thread" => o.current_thread = true,
            "--workers" => o.workers = value().parse().unwrap_or_else(|_| usage("bad --workers")),
            "--seconds" => o.seconds = value().parse().unwrap_or_else(|_| usage("bad --seconds")),
            name if o.variant.is_empty() && !name.starts_with('-') => o.variant = arg,
            _ => usage(&format!("{arg} is not known")),
        }
    }
    o
}

fn runtime(o: &Options) -> Runtime {
    let mut builder = if o.current_thread { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if !o.current_thread {
        builder.worker_threads(o.workers);
    }
    builder.enable_all().build().expect("a runtime")
}

pub fn ready(port: Option<u16>) {
    let port = port.map(|p| format!(" port={p}")).unwrap_or_default();
    println!("ready pid={}{port}", std::process::id());
}

/// Returns at SIGTERM, SIGINT or when the time is over.
pub async fn the_end(seconds: f64) {
    let mut stop = signal(SignalKind::terminate()).expect("SIGTERM");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT");
    tokio::select! {
        _ = stop.recv() => (),
        _ = interrupt.recv() => (),
        () = tokio::time::sleep(Duration::from_secs_f64(seconds)) => (),
    }
}

fn main() {
    let o = options();
    #[cfg(feature = "web")]
    if o.variant == "actix" {
        return actix::run(&o);
    }
    let rt = runtime(&o);
    match o.variant.as_str() {
        "http" => rt.block_on(services::http(o.seconds)),
        #[cfg(feature = "web")]
        "reqwest" => rt.block_on(services::clients::reqwest(o.seconds)),
        "start" => tasks::slow_start(&rt, o.seconds),
        name => {
            let start = tasks::find(name).unwrap_or_else(|| usage(&format!("'{name}' is no variant")));
            rt.block_on(async {
                tasks::tickers(20, Duration::from_millis(5));
                start();
                ready(None);
                the_end(o.seconds).await;
            });
        }
    }
    // Work on threads of the blocking pool isn't waited for.
    rt.shutdown_timeout(Duration::from_secs(2));
}
