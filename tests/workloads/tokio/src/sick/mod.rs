// SPDX-License-Identifier: MIT
//! Sick programs and their healthy twins, which differ in just the cure: what scripts/gallery.sh runs, see
//! tests/gallery/tokio.txt. `// gallery: NAME` marks the line that a finding should name.

mod blocking;
mod busy;
mod handles;
mod leak;
mod pressure;
mod root;
mod stuck;

use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::behaviours::{ticker, OVER, THREADS};
use crate::spawn::spawn;
use crate::truth::Kind;

pub struct Variant {
    pub name: &'static str,
    pub start: fn(healthy: bool),
}

const VARIANTS: &[&[Variant]] = &[
    blocking::VARIANTS,
    busy::VARIANTS,
    handles::VARIANTS,
    leak::VARIANTS,
    pressure::VARIANTS,
    root::VARIANTS,
    stuck::VARIANTS,
];

static COMPANY: Kind = Kind::new("company");

fn all() -> impl Iterator<Item = &'static Variant> {
    VARIANTS.iter().flat_map(|family| family.iter())
}

pub fn names() -> String {
    all().map(|v| v.name).collect::<Vec<_>>().join(" ")
}

pub fn find(name: &str) -> Option<&'static Variant> {
    all().find(|v| v.name == name)
}

pub fn kinds() -> Vec<&'static Kind> {
    let families = [
        blocking::kinds(), busy::kinds(), handles::kinds(), leak::kinds(), pressure::kinds(), root::kinds(), stuck::kinds(),
    ];
    [&COMPANY].into_iter().chain(families.into_iter().flatten()).collect()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Tasks that do little every 5 ms: those who suffer.
fn company() {
    for _ in 0..4 {
        spawn(&COMPANY, ticker(ms(5)));
    }
}

/// A thread outside the runtime that does it again and again.
fn in_thread(mut turn: impl FnMut() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        while !OVER.load(Relaxed) {
            turn();
        }
    });
    THREADS.lock().expect("no panics here").push(thread);
}

/// A name for a file that is removed once it is open.
fn scratch(what: &str) -> PathBuf {
    std::env::temp_dir().join(format!("tokio_workload.{}.{what}", std::process::id()))
}
