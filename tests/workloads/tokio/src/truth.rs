// SPDX-License-Identifier: MIT
//! What the program itself knows of its tasks, counted where it happens and printed as JSON at the end. Shared by the
//! workloads of all Rust runtimes.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use std::task::{Context, Poll};
use std::time::Instant;

/// One sort of task: a named behaviour or a part of one.
pub struct Kind {
    pub name: &'static str,
    pub spawned: AtomicU64,
    pub polls: AtomicU64,
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
/// Polls that have begun and are not over.
static OPEN: AtomicU64 = AtomicU64::new(0);
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
/// A behaviour's rounds but the first two, in which who watches gets to know the threads: by the clock, and of that ready to run without a CPU.
pub struct Rounds {
    begun: AtomicU64,
    wall_us: AtomicU64,
    delay_us: AtomicU64,
}
pub static HOG: Rounds = Rounds::new();
pub static SLEEP: Rounds = Rounds::new();
/// The longest time from a wake by a thread to the task's next poll, from before the wake, and how long the wake itself took.
pub static WAKE_DELAY_MAX_US: AtomicU64 = AtomicU64::new(0);
pub static WAKE_CALL_MAX_US: AtomicU64 = AtomicU64::new(0);

#[allow(dead_code)]
impl Rounds {
    const fn new() -> Self {
        Self { begun: AtomicU64::new(0), wall_us: AtomicU64::new(0), delay_us: AtomicU64::new(0) }
    }

    fn run(&self, work: impl FnOnce()) {
        let (begin, delay) = both_clocks();
        work();
        let (end, delay_then) = both_clocks();
        if self.begun.fetch_add(1, Relaxed) >= 2 {
            self.delay_us.fetch_add(delay_then - delay, Relaxed);
            self.wall_us.fetch_add((end - begin).as_micros() as u64, Relaxed);
        }
    }
}

/// How long this thread was ready to run and had no CPU. The kernel counts it by the clock; a thread's CPU time is no measure, on a virtual machine it
/// leaves out what the host took.
#[allow(dead_code)]
fn delay_us() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("a kernel with CONFIG_SCHED_INFO");
    text.split(' ').nth(1).and_then(|ns| ns.parse::<u64>().ok()).expect("three numbers") / 1000
}

/// Of the same moment: no wait for a CPU lies between the two.
#[allow(dead_code)]
fn both_clocks() -> (Instant, u64) {
    loop {
        let (before, now) = (delay_us(), Instant::now());
        if delay_us() == before {
            return (now, before);
        }
    }
}

/// Computes for that long, whoever else has the CPU meanwhile.
#[allow(dead_code)]
pub fn hog(time: std::time::Duration) {
    let begin = Instant::now();
    HOG.run(|| {
        while begin.elapsed() < time {
            std::hint::spin_loop();
        }
    });
}

/// Holds up its thread for that long.
#[allow(dead_code)]
pub fn block(time: std::time::Duration) {
    SLEEP.run(|| std::thread::sleep(time));
}

/// Wakes a task from a thread that is no worker's; `send` gets the time from before it.
#[allow(dead_code)]
pub fn wake(send: impl FnOnce(Instant)) {
    let begin = Instant::now();
    send(begin);
    WAKE_CALL_MAX_US.fetch_max(begin.elapsed().as_micros() as u64, Relaxed);
}

/// A poll that has begun, until it returns or panics. SeqCst: either it sees FROZEN, or `freeze` sees it.
struct Open;

impl Open {
    fn new() -> Self {
        OPEN.fetch_add(1, SeqCst);
        Open
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, SeqCst);
    }
}

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
        let _open = Open::new();
        this.kind.polls.fetch_add(1, Relaxed);
        if FROZEN.load(SeqCst) {
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
    FROZEN.store(true, SeqCst);
    let limit = Instant::now() + std::time::Duration::from_secs(5);
    while OPEN.load(SeqCst) > 0 && Instant::now() < limit {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    std::thread::sleep(std::time::Duration::from_millis(50)); // timers that are set fire
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
         \"hog_rounds\": {}, \"hog_wall_us\": {}, \"hog_delay_us\": {}, \"sleep_rounds\": {}, \"sleep_wall_us\": {}, \"sleep_delay_us\": {}, \"wake_delay_max_us\": {}, \"wake_call_max_us\": {}, \
         \"kinds\": {{\n{}\n}}}}",
        JOBS_ASKED.load(Relaxed),
        JOBS_RUN.load(Relaxed),
        TIMERS_FIRED.load(Relaxed),
        TIMERS_LATE.load(Relaxed),
        TIMER_LATE_MAX_US.load(Relaxed),
        LOCAL_MAX.load(Relaxed),
        INJECT_MAX.load(Relaxed),
        HOG.begun.load(Relaxed),
        HOG.wall_us.load(Relaxed),
        HOG.delay_us.load(Relaxed),
        SLEEP.begun.load(Relaxed),
        SLEEP.wall_us.load(Relaxed),
        SLEEP.delay_us.load(Relaxed),
        WAKE_DELAY_MAX_US.load(Relaxed),
        WAKE_CALL_MAX_US.load(Relaxed),
        seen.join(",\n")
    );
}
