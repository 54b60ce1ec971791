// SPDX-License-Identifier: MIT
//! handle-dropped, detached-panic: tasks whose end nobody meant or nobody sees. On Tokio the drop of a handle only detaches.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use tokio::runtime::Builder;
use tokio::time::sleep;

use super::{company, in_thread, ms, Variant};
use crate::behaviours::OVER;
use crate::spawn::{spawn, spawn_on};
use crate::truth::{kinds, Kind};

kinds! {
    HASTY "hasty"    MAIL "mail"    FLUSHER "flusher"
}

pub const VARIANTS: &[Variant] = &[
    Variant { name: "abort", start: abort },
    Variant { name: "shutdown", start: shutdown },
    Variant { name: "panic", start: detached_panic },
];

async fn mail() { // gallery: abort shutdown
    sleep(ms(30)).await;
}

/// Aborted at once; the healthy one lets go of the handle, and the task goes on.
fn abort(healthy: bool) {
    company();
    spawn(&HASTY, async move {
        while !OVER.load(Relaxed) {
            let handle = spawn(&MAIL, mail()); // gallery: abort
            if !healthy {
                handle.abort();
            }
            drop(handle);
            sleep(ms(50)).await;
        }
    });
}

/// A runtime for each letter, gone before it is sent.
fn shutdown(healthy: bool) {
    company();
    in_thread(move || {
        let rt = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let letter = spawn_on(rt.handle(), &MAIL, mail()); // gallery: shutdown
        if healthy {
            let _ = rt.block_on(letter);
        }
        drop(rt);
        thread::sleep(ms(500));
    });
}

async fn flusher(healthy: bool) { // gallery: panic
    sleep(ms(50)).await;
    assert!(healthy, "as planned");
}

fn detached_panic(healthy: bool) {
    company();
    spawn(&HASTY, async move {
        while !OVER.load(Relaxed) {
            drop(spawn(&FLUSHER, flusher(healthy))); // gallery: panic
            sleep(ms(200)).await;
        }
    });
}
