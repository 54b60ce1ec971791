// SPDX-License-Identifier: MIT
//! Deadlines, queues and runtimes of which the program knows the truth.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::time::{sleep, sleep_until, Instant};

use crate::behaviours::{OVER, THREADS};
use crate::spawn::spawn;
use crate::truth::{kinds, Kind, INJECT_MAX, LOCAL_MAX, TIMERS_FIRED, TIMERS_LATE, TIMER_LATE_MAX_US};

kinds! {
    DEADLINE "deadline" HOLDER "holder" FILLER "filler" FILLED "filled" GUEST "guest"
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Sleeps, and counts how late that was.
async fn timed(period: Duration) {
    let due = Instant::now() + period;
    sleep_until(due).await;
    let late = due.elapsed();
    TIMERS_FIRED.fetch_add(1, Relaxed);
    TIMERS_LATE.fetch_add((late >= ms(50)) as u64, Relaxed);
    TIMER_LATE_MAX_US.fetch_max(late.as_micros() as u64, Relaxed);
}

async fn deadline(period: Duration) {
    loop {
        timed(period).await;
    }
}

/// Timers that differ, one per task; how late each is seen to be is what its task sees.
pub fn deadlines() {
    for period in [7, 13, 31, 53] {
        spawn(&DEADLINE, deadline(ms(period)));
    }
}

async fn holder() {
    loop {
        thread::sleep(ms(200));
        timed(ms(500)).await;
    }
}

/// Keeps its worker for 200 ms at a time: with one worker, everybody's timers wait.
pub fn held() {
    drop(spawn(&HOLDER, holder()));
}

const OWN: u64 = 40;
const REMOTE: u64 = 30;

async fn filled() {}

/// With one worker: OWN tasks in its queue, REMOTE in the common one, nobody takes them for 400 ms.
async fn filler(ask: mpsc::Sender<()>, done: mpsc::Receiver<()>) {
    loop {
        for _ in 0..OWN {
            drop(spawn(&FILLED, filled()));
        }
        LOCAL_MAX.store(OWN - 1, Relaxed); // the last one is beside the queue: it is next
        ask.send(()).expect("the thread");
        done.recv().expect("the thread");
        INJECT_MAX.store(REMOTE, Relaxed); // Tokio before 1.39 has no stable count of its own
        thread::sleep(ms(400));
        sleep(ms(100)).await;
    }
}

pub fn queues() {
    let (ask, asked) = mpsc::channel();
    let (did, done) = mpsc::channel();
    let runtime = Handle::current();
    thread::spawn(move || {
        let _inside = runtime.enter();
        while asked.recv().is_ok() {
            for _ in 0..REMOTE {
                drop(spawn(&FILLED, filled()));
            }
            if did.send(()).is_err() {
                return;
            }
        }
    });
    drop(spawn(&FILLER, filler(ask, done)));
}

async fn guest() {
    loop {
        sleep(ms(10)).await;
    }
}

/// Two more multi_thread runtimes, of one worker and of three, beside the program's own.
pub fn runtimes() {
    for workers in [1, 3] {
        let thread = thread::spawn(move || {
            let rt = Builder::new_multi_thread().worker_threads(workers).enable_all().build().expect("a runtime");
            rt.block_on(async {
                for _ in 0..workers {
                    drop(spawn(&GUEST, guest()));
                }
                while !OVER.load(Relaxed) {
                    sleep(ms(10)).await;
                }
            });
        });
        THREADS.lock().expect("no panics here").push(thread);
    }
}
