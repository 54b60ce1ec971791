// SPDX-License-Identifier: MIT
//! Named behaviours, sick and sound, on Tokio; see `behaviours.rs`. Prints what really happened as JSON when it ends.
//!
//!     tokio_workload [--current-thread] [--workers N] [--seconds S] [--wait] BEHAVIOUR...
//!     tokio_workload [--flavour multi_thread|current_thread] ... --variant NAME [--healthy]
//!     tokio_workload [--current-thread] [--workers N] --echo PORT | --http PORT [BEHAVIOUR...]
//!
//! --variant: a sick program of the gallery, or its healthy twin; see `sick/`. `all`, `sound` stand for lists of behaviours. --wait: they begin at SIGUSR1. Ends at SIGTERM or after --seconds.
//! Prints "ready PID" once it listens for signals, the port beside it in the load modes (0 = any).

mod behaviours;
mod forks;
mod neighbours;
mod service;
mod sick;
mod spawn;
mod timing;
mod truth;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{signal, SignalKind};

/// Of the main runtime; Tokio tells it since 1.39.
pub static WORKERS: AtomicUsize = AtomicUsize::new(1);

struct Options {
    current_thread: bool,
    workers: usize,
    seconds: f64,
    wait: bool,
    variant: Option<&'static sick::Variant>,
    healthy: bool,
    serve: Option<(bool, u16)>,
    names: Vec<String>,
}

fn usage(what: &str) -> ! {
    eprintln!("tokio_workload: {what}; behaviours: all sound {}; variants: {}", behaviours::names(), sick::names());
    std::process::exit(2)
}

fn options() -> Options {
    let mut o = Options { current_thread: false, workers: 2, seconds: 0.0, wait: false, variant: None, healthy: false, serve: None, names: vec![] };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
        match arg.as_str() {
            "--current-thread" => o.current_thread = true,
            "--flavour" => match value().as_str() {
                "multi_thread" => o.current_thread = false,
                "current_thread" => o.current_thread = true,
                _ => usage("bad --flavour"),
            },
            "--variant" => o.variant = Some(sick::find(&value()).unwrap_or_else(|| usage("bad --variant"))),
            "--healthy" => o.healthy = true,
            "--workers" => o.workers = value().parse().unwrap_or_else(|_| usage("bad --workers")),
            "--seconds" => o.seconds = value().parse().unwrap_or_else(|_| usage("bad --seconds")),
            "--wait" => o.wait = true,
            "--echo" => o.serve = Some((false, value().parse().unwrap_or_else(|_| usage("bad port")))),
            "--http" => o.serve = Some((true, value().parse().unwrap_or_else(|_| usage("bad port")))),
            name if behaviours::known(name) => o.names.push(arg),
            _ => usage(&format!("{arg} is not known")),
        }
    }
    if o.serve.is_none() && o.names.is_empty() && o.variant.is_none() {
        usage("nothing to do");
    }
    o
}

fn runtime(o: &Options) -> Runtime {
    let mut builder = if o.current_thread { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    if !o.current_thread {
        builder.worker_threads(o.workers);
        WORKERS.store(o.workers, Relaxed);
    }
    builder.enable_all().build().expect("a runtime")
}

async fn run(o: &Options) {
    let mut go = signal(SignalKind::user_defined1()).expect("SIGUSR1");
    let mut stop = signal(SignalKind::terminate()).expect("SIGTERM");
    let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT");
    let start_named = || o.names.iter().for_each(|name| behaviours::start(name));
    if !o.wait {
        start_named();
    }
    if let Some((http, port)) = o.serve {
        let port = service::start(http, port).await;
        println!("ready {} {port}", std::process::id());
    } else {
        println!("ready {}", std::process::id());
    }
    if o.wait {
        go.recv().await;
        start_named();
    }
    if let Some(variant) = o.variant {
        (variant.start)(o.healthy);
    }
    let pause = if o.seconds > 0.0 { o.seconds } else { 1e9 };
    let _ = tokio::time::timeout(Duration::from_secs_f64(pause), async {
        // Whichever comes first; select! would need the macros.
        let (a, b) = (stop.recv(), interrupt.recv());
        tokio::pin!(a, b);
        std::future::poll_fn(|cx| {
            use std::future::Future;
            let done = a.as_mut().poll(cx).is_ready() || b.as_mut().poll(cx).is_ready();
            if done { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await
    })
    .await;
    behaviours::OVER.store(true, Relaxed);
}

fn main() {
    let o = options();
    std::panic::set_hook(Box::new(|_| {})); // panics are one of the behaviours
    let rt = runtime(&o);
    rt.block_on(run(&o));
    truth::STOPPING.store(true, Relaxed);
    behaviours::join_threads();
    drop(rt);
    let flavour = if o.current_thread { "current_thread" } else { "multi_thread" };
    let kinds: Vec<_> = behaviours::kinds().into_iter().chain(timing::kinds()).chain(sick::kinds()).collect();
    truth::print(flavour, if o.current_thread { 1 } else { o.workers }, &kinds);
}
