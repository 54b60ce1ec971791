// SPDX-License-Identifier: MIT
//! task-leak: tasks that nothing ends, that end and are kept, that wait for what nobody gives.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;

use super::{company, ms, Variant};
use crate::spawn::spawn;
use crate::truth::{kinds, Kind};

kinds! {
    SPAWNER "spawner"    WAITS_FOREVER "waits_forever"    KEPT "kept"    QUEUED "queued"
}

pub const VARIANTS: &[Variant] = &[
    Variant { name: "unbounded", start: unbounded },
    Variant { name: "handles", start: handles },
    Variant { name: "waiters", start: waiters },
];

async fn waits_forever(healthy: bool) { // gallery: unbounded
    let never = Arc::new(Notify::new());
    if healthy {
        let _ = tokio::time::timeout(ms(500), never.notified()).await;
    } else {
        never.notified().await;
    }
}

fn unbounded(healthy: bool) {
    company();
    spawn(&SPAWNER, async move {
        loop {
            drop(spawn(&WAITS_FOREVER, waits_forever(healthy))); // gallery: unbounded
            sleep(ms(10)).await;
        }
    });
}

async fn kept(n: u64) -> [u64; 8] { // gallery: handles
    sleep(ms(5)).await;
    [n; 8]
}

/// The tasks are done, but who has their handles never asks.
fn handles(healthy: bool) {
    company();
    spawn(&SPAWNER, async move {
        let mut all = vec![];
        for n in 0.. {
            all.push(spawn(&KEPT, kept(n))); // gallery: handles
            sleep(ms(10)).await;
            if healthy {
                all.retain(|handle| !handle.is_finished());
            }
        }
    });
}

async fn queued(permits: Arc<Semaphore>, healthy: bool) { // gallery: waiters
    let permit = permits.acquire().await.expect("never closed");
    sleep(ms(5)).await;
    if !healthy {
        permit.forget();
    }
}

/// Permits that do not come back: all who come later wait.
fn waiters(healthy: bool) {
    company();
    spawn(&SPAWNER, async move {
        let permits = Arc::new(Semaphore::new(4));
        loop {
            drop(spawn(&QUEUED, queued(permits.clone(), healthy))); // gallery: waiters
            sleep(ms(10)).await;
        }
    });
}
