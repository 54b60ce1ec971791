// SPDX-License-Identifier: MIT
//! What the program itself knows of its tasks, counted where it happens and printed as JSON at the end. Shared by the
//! workloads of all Rust runtimes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Instant;

/// One sort of task: a named behaviour or a part of one.
pub struct Kind {
    pub name: &'static str,
    pub spawned: AtomicU64,
    polls: AtomicU64,
    completed: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    shut_down: AtomicU64,
    poll_max_us: AtomicU64,
    /// Wakes that the task caused of itself, where the behaviour counts them.
    pub self_wakes: AtomicU64,
}

impl Kind {
    pub const fn new(name: &'static str) -> Kind {
        Kind {
            name,
            spawned: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            completed: AtomicU64::new(0),
            cancelled: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            shut_down: AtomicU64::new(0),
            poll_max_us: AtomicU64::new(0),
            self_wakes: AtomicU64::new(0),
        }
    }

    fn json(&self) -> String {
        let n = |a: &AtomicU64| a.load(Relaxed);
        format!(
            "{{\"spawned\": {}, \"polls\": {}, \"completed\": {}, \"cancelled\": {}, \"panicked\": {}, \
             \"shut_down\": {}, \"self_wakes\": {}, \"poll_max_us\": {}}}",
            n(&self.spawned), n(&self.polls), n(&self.completed), n(&self.cancelled), n(&self.panicked),
            n(&self.shut_down), n(&self.self_wakes), n(&self.poll_max_us)
        )
    }
}

#[allow(unused_macros)]
macro_rules! kinds {
    ($($id:ident $name:literal)*) => {
        $(pub static $id: Kind = Kind::new($name);)*
        pub fn kinds() -> Vec<&'static Kind> { vec![$(&$id),*] }
    };
}
#[allow(unused_imports)]
pub(crate) use kinds;

/// The runtime is being dropped: what is cancelled from here on ends by shutdown.
pub static STOPPING: AtomicBool = AtomicBool::new(false);
/// Nothing that is counted runs any more; what is woken is polled once and stays where it is.
static FROZEN: AtomicBool = AtomicBool::new(false);
/// Jobs of the blocking pool that were asked for and that ran.
pub static JOBS_ASKED: AtomicU64 = AtomicU64::new(0);
pub static JOBS_RUN: AtomicU64 = AtomicU64::new(0);
/// Timers whose task has run, of them those 50 ms late and more, the worst; tasks in a worker's queue and in the common one.
pub static TIMERS_FIRED: AtomicU64 = AtomicU64::new(0);
pub static TIMERS_LATE: AtomicU64 = AtomicU64::new(0);
pub static TIMER_LATE_MAX_US: AtomicU64 = AtomicU64::new(0);
pub static LOCAL_MAX: AtomicU64 = AtomicU64::new(0);
pub static INJECT_MAX: AtomicU64 = AtomicU64::new(0);

/// A future that counts its own polls and its end.
pub struct Counted<F> {
    kind: &'static Kind,
    over: bool,
    polling: bool,
    future: F,
}

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned with self and never moved out; the other fields are plain data.
        let this = unsafe { self.get_unchecked_mut() };
        let begin = Instant::now();
        this.kind.polls.fetch_add(1, Relaxed);
        if FROZEN.load(Relaxed) {
            return Poll::Pending;
        }
        this.polling = true;
        let result = unsafe { Pin::new_unchecked(&mut this.future) }.poll(cx);
        this.polling = false;
        this.kind.poll_max_us.fetch_max(begin.elapsed().as_micros() as u64, Relaxed);
        if result.is_ready() {
            this.over = true;
            this.kind.completed.fetch_add(1, Relaxed);
        }
        result
    }
}

impl<F> Drop for Counted<F> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        // A poll that was not returned from: some runtimes drop the future only after they caught the panic.
        let end = if self.polling {
            &self.kind.panicked
        } else if STOPPING.load(Relaxed) {
            &self.kind.shut_down
        } else {
            &self.kind.cancelled
        };
        end.fetch_add(1, Relaxed);
    }
}

pub fn counted<F: Future>(kind: &'static Kind, future: F) -> Counted<F> {
    kind.spawned.fetch_add(1, Relaxed);
    Counted { kind, over: false, polling: false, future }
}

/// Of an executor that goes on until the process is gone: what it does after the count would be seen and not counted.
#[allow(dead_code)]
pub fn freeze() {
    FROZEN.store(true, Relaxed);
    std::thread::sleep(std::time::Duration::from_millis(50)); // polls that were open end, timers that are set fire
}

pub fn print(flavour: &str, workers: usize, kinds: &[&Kind]) {
    let seen: Vec<String> = kinds
        .iter()
        .filter(|k| k.spawned.load(Relaxed) > 0)
        .map(|k| format!("  \"{}\": {}", k.name, k.json()))
        .collect();
    println!(
        "{{\"flavour\": \"{flavour}\", \"workers\": {workers}, \"jobs_asked\": {}, \"jobs_run\": {}, \
         \"timers_fired\": {}, \"timers_late\": {}, \"timer_late_max_us\": {}, \"local_max\": {}, \"inject_max\": {}, \
         \"kinds\": {{\n{}\n}}}}",
        JOBS_ASKED.load(Relaxed),
        JOBS_RUN.load(Relaxed),
        TIMERS_FIRED.load(Relaxed),
        TIMERS_LATE.load(Relaxed),
        TIMER_LATE_MAX_US.load(Relaxed),
        LOCAL_MAX.load(Relaxed),
        INJECT_MAX.load(Relaxed),
        seen.join(",\n")
    );
}
