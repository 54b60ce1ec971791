// SPDX-License-Identifier: MIT
//! Tasks that are spawned in every way that Tokio has, so that what is said of their places can be compared with this file.
//! A comment "at NAME" marks the line that a spawn is called on; at exit it prints NAME and how many tasks were spawned there.
//! "maybe NAME": the same, of a call that panics with nothing, so that a stripped build does not tell its place.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

macro_rules! ways {
    ($($id:ident $name:literal)*) => {
        $(static $id: AtomicU64 = AtomicU64::new(0);)*
        fn print() { $(println!("{} {}", $name, $id.load(Relaxed));)* }
    };
}

ways! {
    PLAIN "plain" LOOP "loop" FIRST "first" SECOND "second" WRAPPED "wrapped" OUTER "outer" INNER "inner" SET "set" OBJECT "object"
    LARGE "large" HANDLE "handle" CURRENT "current" AFTER "after" BESIDE "beside" BRANCH "branch" OTHER "other" CHILD "child"
}

fn count(way: &'static AtomicU64) {
    way.fetch_add(1, Relaxed);
}

async fn short(n: u64) {
    sleep(Duration::from_millis(n % 4)).await;
}

/// Spawns what it is given: here, wherever it is called from.
fn wrapped<F: Future<Output = ()> + Send + 'static>(future: F) -> JoinHandle<()> {
    count(&WRAPPED);
    tokio::spawn(future) // at wrapped
}

/// Says where it is called from.
#[track_caller]
fn tracked<F: Future<Output = ()> + Send + 'static>(future: F) -> JoinHandle<()> {
    tokio::spawn(future)
}

trait Spawner {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>);
}

struct OnTokio;

impl Spawner for OnTokio {
    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        count(&OBJECT);
        tokio::spawn(future); // at object
    }
}

#[inline(never)]
fn start(handle: &Handle, n: u64) {
    count(&BESIDE);
    handle.spawn(async move { short(n + 7).await }); // maybe beside
}

async fn large() {
    let block = [1u8; 20_000];
    sleep(Duration::from_millis(u64::from(block[77]))).await;
    assert_eq!(block[19_999], 1);
}

async fn child(n: u64) {
    count(&CHILD);
    tokio::spawn(async move { short(n).await }); // at child
}

fn ways(n: u64, spawner: &dyn Spawner) {
    count(&PLAIN);
    tokio::spawn(async move { short(n).await }); // at plain
    for i in 0..3 {
        count(&LOOP);
        tokio::spawn(async move { short(i).await }); // at loop
    }
    count(&FIRST);
    tokio::spawn(short(n)); // at first
    count(&SECOND);
    tokio::spawn(short(n + 1)); // at second
    wrapped(async move { short(n + 2).await });
    wrapped(short(n + 3));
    count(&OUTER);
    tracked(async move { short(n + 4).await }); // at outer
    count(&INNER);
    tracked(child(n)); // at inner
    spawner.spawn(Box::pin(short(n)));
    count(&LARGE);
    tokio::spawn(large()); // at large
    if n % 2 == 0 {
        count(&BRANCH);
        tokio::spawn(async move { short(n + 5).await }); // at branch
    } else {
        count(&OTHER);
        tokio::spawn(async move { short(n + 6).await }); // at other
    }
}

/// Other calls that panic as a spawn does where there is no runtime, right before one that does not.
async fn beside(n: u64, handle: &Handle) {
    let pause = sleep(Duration::from_millis(1));
    count(&HANDLE);
    handle.spawn(async move { short(n + 8).await }); // maybe handle
    let mine = Handle::current();
    count(&CURRENT);
    mine.spawn(async move { short(n + 9).await }); // maybe current
    pause.await;
    start(handle, n);
    count(&AFTER);
    tokio::spawn(async move { short(n + 10).await }); // at after
    start(&mine, n + 1);
}

async fn run() {
    let handle = Handle::current();
    let mut set = JoinSet::new();
    let spawner: Box<dyn Spawner> = Box::new(OnTokio);
    for n in 0..20 {
        ways(n, spawner.as_ref());
        count(&SET);
        set.spawn(async move { short(n + 11).await }); // at set
        beside(n, &handle).await;
    }
    while set.join_next().await.is_some() {}
    sleep(Duration::from_millis(100)).await;
}

fn main() {
    let current = std::env::args().nth(1).is_some_and(|a| a == "--current-thread");
    let mut builder = if current {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).expect("standard input");
    builder.enable_all().build().expect("a runtime").block_on(run());
    print();
}
