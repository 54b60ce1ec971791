// SPDX-License-Identifier: MIT
//! busy-loop: one poll that never ends, a task that wakes itself, two that wake each other.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::time::sleep;

use super::{company, ms, Variant};
use crate::behaviours::OVER;
use crate::spawn::spawn;
use crate::truth::{kinds, Kind};

kinds! {
    SPINNER "spinner"    RESTLESS "restless"    PING "ping"    PONG "pong"
}

pub const VARIANTS: &[Variant] = &[
    Variant { name: "spin", start: spin },
    Variant { name: "storm", start: storm },
    Variant { name: "pingpong", start: pingpong },
];

static READY: AtomicBool = AtomicBool::new(false);

/// Waits for a flag that nobody sets, without giving its worker back.
async fn spinner(healthy: bool) { // gallery: spin
    while !READY.load(Relaxed) && !OVER.load(Relaxed) {
        if healthy {
            sleep(ms(5)).await;
        } else {
            std::hint::spin_loop();
        }
    }
}

fn spin(healthy: bool) {
    company();
    spawn(&SPINNER, spinner(healthy)); // gallery: spin
}

/// Looks whether something is there, and asks to be polled again at once.
struct Restless;

impl Future for Restless {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if READY.load(Relaxed) {
            return Poll::Ready(());
        }
        RESTLESS.self_wakes.fetch_add(1, Relaxed);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

fn storm(healthy: bool) {
    company();
    if healthy {
        spawn(&RESTLESS, async {
            while !READY.load(Relaxed) {
                sleep(ms(5)).await;
            }
        });
    } else {
        spawn(&RESTLESS, async { Restless.await }); // gallery: storm
    }
}

/// A ball with two sides: who has it throws it back and wakes the other.
struct Table {
    turn: AtomicU64,
    players: [Mutex<Option<Waker>>; 2],
}

struct Turn<'a>(&'a Table, u64);

impl Future for Turn<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        *self.0.players[self.1 as usize].lock().expect("no panics here") = Some(cx.waker().clone());
        if self.0.turn.load(Relaxed) % 2 == self.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

async fn player(table: Arc<Table>, side: u64, pause: u64) { // gallery: pingpong
    loop {
        Turn(&table, side).await;
        if pause > 0 {
            sleep(ms(pause)).await;
        }
        table.turn.fetch_add(1, Relaxed);
        let other = table.players[1 - side as usize].lock().expect("no panics here").take();
        if let Some(waker) = other {
            waker.wake();
        }
    }
}

fn pingpong(healthy: bool) {
    company();
    let table = Arc::new(Table { turn: AtomicU64::new(0), players: [Mutex::new(None), Mutex::new(None)] });
    let pause = if healthy { 5 } else { 0 };
    spawn(&PING, player(table.clone(), 0, pause)); // gallery: pingpong
    spawn(&PONG, player(table, 1, pause)); // gallery: pingpong
}
