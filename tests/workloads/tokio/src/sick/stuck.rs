// SPDX-License-Identifier: MIT
//! never-runs, timer-stall, lost-waker, wait-cycle: tasks that do not get on.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{oneshot, Notify};
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};

use super::{company, in_thread, ms, Variant};
use crate::behaviours::{ticker, OVER};
use crate::spawn::{spawn, spawn_on};
use crate::truth::{kinds, Kind};

kinds! {
    HOLDER "holder"    JOB "job"    RINGER "ringer"    GUEST "guest"    HELD_JOB "held_job"
    ALARM "alarm"    PUNCTUAL "punctual"    LISTENER "listener"    SIDE "side"
}

pub const VARIANTS: &[Variant] = &[
    Variant { name: "held", start: held },
    Variant { name: "lifo", start: lifo },
    Variant { name: "undriven", start: undriven },
    Variant { name: "woken", start: woken },
    Variant { name: "late", start: late },
    Variant { name: "unturned", start: unturned },
    Variant { name: "lost", start: lost },
    Variant { name: "cycle", start: cycle },
];

/// So long in one poll, or not.
async fn rest(healthy: bool, time: Duration) {
    if healthy {
        sleep(time).await;
    } else {
        thread::sleep(time);
    }
}

/// Made inside of the runtime that drives it.
async fn nap(time: Duration) {
    sleep(time).await
}

/// The same; and who was woken as late as that is polled first, however busy the machine.
pub async fn nap_and_settle(time: Duration) {
    sleep(time).await;
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

// ---- never-runs ----

async fn holder(healthy: bool) {
    while !OVER.load(Relaxed) {
        rest(healthy, ms(60_000)).await;
    }
}

async fn job() { // gallery: held undriven
    let mut beat = interval(ms(20));
    while !OVER.load(Relaxed) {
        beat.tick().await;
    }
}

/// As many as there are workers stay in their polls; the job behind them was never polled.
fn held(healthy: bool) {
    let here = Handle::current();
    for _ in 0..crate::WORKERS.load(Relaxed) {
        spawn(&HOLDER, holder(healthy));
    }
    in_thread(move || {
        thread::sleep(ms(300));
        drop(spawn_on(&here, &HELD_JOB, job())); // gallery: held
        while !OVER.load(Relaxed) {
            thread::sleep(ms(50));
        }
    });
}

async fn ringer(bell: Arc<Notify>, healthy: bool) {
    while !OVER.load(Relaxed) {
        bell.notify_one();
        rest(healthy, ms(3000)).await;
        sleep(ms(100)).await;
    }
}

async fn guest(bell: Arc<Notify>) { // gallery: lifo woken
    while !OVER.load(Relaxed) {
        bell.notified().await;
    }
}

/// Who is woken waits in the slot of a worker that goes on with what it did; the other one has nothing to do.
fn lifo(healthy: bool) {
    let bell = Arc::new(Notify::new());
    spawn(&GUEST, guest(bell.clone())); // gallery: lifo
    spawn(&RINGER, ringer(bell, healthy));
}

/// A runtime of its own, on which somebody was for a moment, until so many guests were polled; the healthy one's thread stays.
fn runtime_of_moment(healthy: bool, guests: u64, fill: impl FnOnce(&Handle)) -> Arc<Runtime> {
    let rt = Arc::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
    fill(rt.handle());
    let theirs = rt.clone();
    in_thread(move || {
        theirs.block_on(async {
            sleep(ms(50)).await;
            while GUEST.polls.load(Relaxed) < guests {
                tokio::task::yield_now().await;
            }
        });
        while !OVER.load(Relaxed) {
            if healthy {
                theirs.block_on(nap(ms(50)));
            } else {
                thread::sleep(ms(50));
            }
        }
    });
    rt
}

/// Jobs for a runtime that nobody drives any more.
fn undriven(healthy: bool) {
    company();
    let rt = Arc::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
    if healthy {
        let theirs = rt.clone();
        in_thread(move || theirs.block_on(nap(ms(50))));
    }
    let handle = rt.handle().clone();
    in_thread(move || {
        let _alive = &rt;
        drop(spawn_on(&handle, &JOB, job())); // gallery: undriven
        thread::sleep(ms(500));
    });
}

/// Guests that were polled once; a thread outside wakes one after the other.
fn woken(healthy: bool) {
    company();
    let bells: Vec<_> = (0..500).map(|_| Arc::new(Notify::new())).collect();
    let rt = runtime_of_moment(healthy, bells.len() as u64, |handle| {
        for bell in &bells {
            drop(spawn_on(handle, &GUEST, guest(bell.clone()))); // gallery: woken
        }
    });
    let mut next = bells.into_iter().cycle();
    in_thread(move || {
        let _alive = &rt;
        thread::sleep(ms(200));
        next.next().expect("it goes round").notify_one();
    });
}

// ---- timer-stall ----

/// Timers that are due every 20 ms behind a task that has the only worker for 200.
fn late(healthy: bool) {
    for _ in 0..4 {
        spawn(&PUNCTUAL, ticker(ms(20)));
    }
    spawn(&HOLDER, async move { // gallery: late
        while !OVER.load(Relaxed) {
            rest(healthy, ms(200)).await;
            sleep(ms(50)).await;
        }
    });
}

async fn alarm() { // gallery: unturned
    let mut beat = interval(ms(100));
    let mut rung = VecDeque::new(); // and so its code is not one with job()'s, which would have no name
    while !OVER.load(Relaxed) {
        rung.push_back(beat.tick().await);
        rung.truncate(8);
    }
}

/// Armed while somebody drove, then nobody turns the driver.
fn unturned(healthy: bool) {
    company();
    let rt = Arc::new(Builder::new_current_thread().enable_all().build().expect("a runtime"));
    let handle = rt.handle().clone();
    in_thread(move || {
        drop(spawn_on(&handle, &ALARM, alarm())); // gallery: unturned
        rt.block_on(nap_and_settle(ms(250)));
        while healthy && !OVER.load(Relaxed) {
            rt.block_on(nap(ms(250)));
        }
        while !OVER.load(Relaxed) {
            thread::sleep(ms(50));
        }
    });
}

// ---- lost-waker ----

/// Where it waits, the waker is kept, or not.
struct Bell<'a> {
    slot: &'a Mutex<Option<Waker>>,
    keep: bool,
    asked: bool,
}

impl Future for Bell<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.asked, true) {
            return Poll::Ready(());
        }
        if self.keep {
            *self.slot.lock().expect("no panics here") = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

async fn listener(slot: Arc<Mutex<Option<Waker>>>, healthy: bool) { // gallery: lost
    while !OVER.load(Relaxed) {
        Bell { slot: &slot, keep: healthy, asked: false }.await;
    }
}

fn lost(healthy: bool) {
    company();
    let slot = Arc::new(Mutex::new(None::<Waker>));
    spawn(&LISTENER, listener(slot.clone(), healthy)); // gallery: lost
    in_thread(move || {
        thread::sleep(ms(200));
        if let Some(waker) = slot.lock().expect("no panics here").take() {
            waker.wake();
        }
    });
}

// ---- wait-cycle ----

async fn side(other: oneshot::Receiver<JoinHandle<()>>, waits: bool) { // gallery: cycle
    let other = other.await.expect("sent");
    while !waits && !OVER.load(Relaxed) {
        sleep(ms(100)).await;
    }
    let _ = other.await;
}

/// Each waits for the other's end.
fn cycle(healthy: bool) {
    company();
    let (to_left, at_left) = oneshot::channel();
    let (to_right, at_right) = oneshot::channel();
    let left = spawn(&SIDE, side(at_left, true));
    let right = spawn(&SIDE, side(at_right, !healthy));
    let _ = to_left.send(right);
    let _ = to_right.send(left);
}
