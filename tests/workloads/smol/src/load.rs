// SPDX-License-Identifier: MIT
//! As sick.rs: troubles of load, and of executors that nobody runs any more.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use event_listener::Event;
use futures_lite::future::yield_now;

use crate::behaviours::{in_thread, ms, start_task, OVER};
use crate::neighbours;
use crate::rt::{self, sleep};
use crate::sick::{beats, compute, cured, Start};
use crate::truth::{counted, Kind};

crate::behaviours::kind_list! {
    GRINDER "grinder"    GUEST "guest"    MAIL "mail"
}

async fn grinder(work: Duration) {
    while !OVER.load(Relaxed) {
        compute(work);
        yield_now().await;
    }
}

fn grinders(n: usize, work: Duration) {
    for _ in 0..n {
        start_task(&GRINDER, grinder(work));
    }
}

/// More is runnable than the workers can poll.
fn backlog() {
    grinders(if cured() { 8 } else { 2000 }, Duration::from_micros(100));
}

/// Eight workers for each CPU, all at work: see `workers`.
fn count() {
    grinders(16 * neighbours::cpus(), Duration::from_micros(500));
}

/// The workers that a variant asks for.
pub fn workers(names: &[String], cure: bool) -> Option<usize> {
    let wants = names.iter().any(|name| name == "count");
    wants.then(|| neighbours::cpus() * if cure { 1 } else { 8 })
}

fn starved() {
    grinders(1, Duration::from_micros(200));
    if !cured() {
        neighbours::crowd();
    }
}

async fn guest(bell: Arc<Event>) { // gallery: woken
    while !OVER.load(Relaxed) {
        bell.listen().await;
    }
}

/// Guests that were polled once; a thread outside wakes one after the other. The healthy one's thread stays.
fn woken() {
    beats();
    let bells: Vec<_> = (0..500).map(|_| Arc::new(Event::new())).collect();
    for bell in &bells {
        rt::spawn_on_second(counted(&GUEST, guest(bell.clone())));
    }
    let polled = || GUEST.polls.load(Relaxed) >= 500;
    in_thread(move || {
        while !polled() {
            rt::run_second(sleep(ms(50)));
        }
        while cured() && !OVER.load(Relaxed) {
            rt::run_second(sleep(ms(50)));
        }
    });
    while !polled() {
        thread::sleep(ms(5));
    }
    in_thread(move || {
        for bell in bells.iter().cycle() {
            thread::sleep(ms(200));
            bell.notify(1);
            if OVER.load(Relaxed) {
                break;
            }
        }
    });
}

async fn mail() { // gallery: shutdown
    sleep(ms(30)).await;
}

/// An executor for each letter, gone before it is sent.
fn shutdown() {
    beats();
    in_thread(|| {
        while !OVER.load(Relaxed) {
            rt::on_an_executor_of_its_own(counted(&MAIL, mail()), cured());
            thread::sleep(ms(500));
        }
    });
}

pub const ALL: &[(&str, Start)] = &[
    ("backlog", backlog),
    ("count", count),
    ("starved", starved),
    ("woken", woken),
    ("shutdown", shutdown),
];
