// SPDX-License-Identifier: MIT
//! One trouble each, and a healthy twin that differs in the cure only: the same for smol and async-std.

use std::future::Future;
use std::io::Read;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{bounded, Receiver, Sender};
use event_listener::Event;
use futures_lite::future::yield_now;
use futures_lite::FutureExt;

use crate::behaviours::{in_thread, ms, spawn, start_task, OVER};
use crate::rt::{self, sleep, AsyncMutex, Handle};
use crate::{load, steady};
use crate::truth::Kind;

crate::behaviours::kind_list! {
    JOB "job"                    SPAWNER "spawner"            SESSION "session"
    SPIN "spin"                  YIELDER "yielder"            PINGER "pinger"
    SLEEPER "sleeper"            LOCKER "locker"              READER "reader"
    HOLDER "holder"              WAITER "waiter"              BEAT "beat"
    LOST "lost"                  CRUNCH "crunch"              CRASHER "crasher"
    LARGE "large"                SIDE "side"
}

/// The cure is in.
static CURED: AtomicBool = AtomicBool::new(false);

pub fn cured() -> bool {
    CURED.load(Relaxed)
}

/// Others that have something to do meanwhile.
pub fn beats() {
    for n in 0..4 {
        start_task(&BEAT, async move { // gallery: queued
            loop {
                sleep(ms(3 + n)).await;
            }
        });
    }
}

// ---- handle-dropped ----

/// Work that takes a while, as a request to somewhere does.
async fn job(time: Duration) -> u64 { // gallery: drop_at_once drop_later cancel_at_once drop_limited leak_kept
    sleep(time).await;
    1
}

/// The handle is dropped where it is made.
async fn drop_at_once() {
    loop {
        let task = spawn(&JOB, job(ms(2)));
        if cured() {
            rt::detach(task);
        } else {
            drop(task);
        }
        sleep(ms(20)).await;
    }
}

/// A session owns its tasks; it goes before they are done.
struct Session {
    tasks: Vec<Handle<u64>>,
}

impl Session {
    fn open() -> Session {
        Session { tasks: (0..4).map(|_| spawn(&JOB, job(ms(200)))).collect() }
    }
    async fn finish(self) -> u64 {
        let mut sum = 0;
        for task in self.tasks {
            sum += task.await;
        }
        sum
    }
}

#[inline(never)]
fn close(session: Session) {
    drop(session)
}

async fn drop_later() {
    loop {
        let session = Session::open();
        sleep(ms(100)).await;
        if cured() {
            session.finish().await;
        } else {
            close(session);
        }
    }
}

/// Cancelled and awaited, as soon as it is there.
async fn cancel_at_once() {
    loop {
        let task = spawn(&JOB, job(ms(5)));
        if cured() {
            task.await;
        } else {
            rt::cancel(task).await;
        }
        sleep(ms(20)).await;
    }
}

/// A time limit that is right for most: those that run out of it are cancelled as they should be.
async fn limited() {
    for n in 0.. {
        let limit = if cured() && n % 10 != 0 { 400 } else { 50 };
        let task = spawn(&JOB, job(ms(100)));
        let done = async { task.await == 1 };
        done.or(async {
            sleep(ms(limit)).await;
            false
        })
        .await;
    }
}

// ---- busy-loop ----

async fn spin(ready: Arc<AtomicBool>) { // gallery: spin
    while !ready.load(Relaxed) && !OVER.load(Relaxed) {
        if cured() {
            sleep(ms(5)).await;
        } else {
            std::hint::spin_loop();
        }
    }
}

async fn yielder(ready: Arc<AtomicBool>) { // gallery: yielding
    while !ready.load(Relaxed) && !OVER.load(Relaxed) {
        if cured() {
            sleep(ms(5)).await;
        } else {
            yield_now().await;
        }
    }
}

async fn pinger(from: Receiver<u64>, to: Sender<u64>) { // gallery: pingpong
    while let Ok(n) = from.recv().await {
        if cured() {
            sleep(ms(5)).await;
        }
        if to.send(n + 1).await.is_err() {
            return;
        }
    }
}

fn pingpong() {
    let (to_a, from_a) = bounded(1);
    let (to_b, from_b) = bounded(1);
    to_a.try_send(0).expect("room for one");
    start_task(&PINGER, pinger(from_a, to_b));
    start_task(&PINGER, pinger(from_b, to_a));
}

// ---- blocking-call ----

async fn sleeper() { // gallery: block_sleep
    loop {
        if cured() {
            sleep(ms(80)).await;
        } else {
            thread::sleep(ms(80));
        }
        sleep(ms(120)).await;
    }
}

/// One holds a lock while it waits, which is right with an async lock only.
fn lockers() {
    let blocking = Arc::new(Mutex::new(0u64));
    let waiting = Arc::new(AsyncMutex::new(0u64));
    let (theirs, ours) = (blocking.clone(), waiting.clone());
    in_thread(move || {
        while !OVER.load(Relaxed) {
            if cured() {
                let held = rt::block_on(ours.lock());
                thread::sleep(ms(40));
                drop(held);
            } else {
                let held = theirs.lock().expect("never poisoned");
                thread::sleep(ms(40));
                drop(held);
            }
            thread::sleep(ms(20));
        }
    });
    start_task(&LOCKER, async move { // gallery: block_mutex
        loop {
            if cured() {
                *waiting.lock().await += 1;
            } else {
                *blocking.lock().expect("never poisoned") += 1;
            }
            sleep(ms(30)).await;
        }
    });
}

fn read_slowly(path: &str) {
    let mut byte = [0u8; 1];
    if let Ok(mut fifo) = std::fs::File::open(path) {
        let _ = fifo.read(&mut byte);
    }
}

/// A file whose writer takes its time.
fn readers() {
    let path = format!("/tmp/weft_workload_fifo.{}", std::process::id());
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|s| s.success()), "mkfifo");
    let at = path.clone();
    in_thread(move || {
        while !OVER.load(Relaxed) {
            // Its opening waits for a reader: one that is there already can't be missed.
            if let Ok(mut fifo) = std::fs::OpenOptions::new().read(true).write(true).open(&at) {
                thread::sleep(ms(60));
                let _ = std::io::Write::write_all(&mut fifo, b"x");
                thread::sleep(ms(60));
            }
        }
        let _ = std::fs::remove_file(&at);
    });
    start_task(&READER, async move { // gallery: block_fifo
        loop {
            let path = path.clone();
            if cured() {
                rt::blocking(move || read_slowly(&path)).await;
            } else {
                read_slowly(&path);
            }
            sleep(ms(20)).await;
        }
    });
}

// ---- never-runs, timer-stall ----

/// As many tasks as there are workers sit in a call that does not return for long, all at the same time.
fn held() {
    let start = Instant::now();
    let rest = move || ms(3000 - start.elapsed().as_millis() as u64 % 3000);
    for _ in 0..2 {
        start_task(&HOLDER, async move {
            while !OVER.load(Relaxed) {
                if cured() {
                    rt::blocking(move || thread::sleep(rest())).await;
                } else {
                    thread::sleep(rest());
                    yield_now().await;
                }
            }
        });
    }
    in_thread(|| {
        while !OVER.load(Relaxed) {
            thread::sleep(ms(300));
            start_task(&WAITER, async { sleep(ms(1)).await });
        }
    });
    beats();
}

/// Tasks of an executor that no thread runs.
fn undriven() {
    for _ in 0..8 {
        if cured() {
            start_task(&WAITER, async { sleep(ms(1)).await });
        } else {
            rt::spawn_undriven(&WAITER, async { sleep(ms(1)).await });
        }
    }
    beats();
}

/// Polls that keep the workers for so long that every timer is late.
fn late() {
    for _ in 0..4 {
        start_task(&HOLDER, async {
            loop {
                if cured() {
                    sleep(ms(150)).await;
                } else {
                    thread::sleep(ms(150));
                }
                sleep(ms(10)).await;
            }
        });
    }
    beats();
}

// ---- lost-waker ----

/// Forgets the waker that it was given, in the sick one.
struct Signal {
    set: Arc<AtomicU64>,
    event: Arc<Event>,
}

impl Future for Signal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.set.load(Relaxed) > 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

fn lost() {
    for _ in 0..8 {
        let signal = Signal { set: Arc::new(AtomicU64::new(0)), event: Arc::new(Event::new()) };
        start_task(&LOST, async move { // gallery: lost
            if cured() {
                signal.event.listen().await;
            } else {
                signal.await;
            }
        });
    }
    beats();
}

// ---- wait-cycle ----

async fn side(other: Receiver<Handle<()>>, waits: bool) { // gallery: cycle
    let other = other.recv().await.expect("sent");
    while !waits && !OVER.load(Relaxed) {
        sleep(ms(100)).await;
    }
    let _ = other.await;
}

/// Each waits for the other's end; cure: one of them has work, and waits behind it.
fn cycle() {
    beats();
    let (to_left, at_left) = bounded(1);
    let (to_right, at_right) = bounded(1);
    let left = spawn(&SIDE, side(at_left, true));
    let right = spawn(&SIDE, side(at_right, !cured()));
    let _ = to_left.try_send(right);
    let _ = to_right.try_send(left);
}

// ---- task-leak ----

/// What waits for an answer that never comes; the event's list has their wakers.
async fn unbounded() {
    let never = Arc::new(Event::new());
    loop {
        let never = never.clone();
        start_task(&WAITER, async move {
            let answer = async { never.listen().await };
            if cured() {
                answer.or(async { sleep(ms(500)).await }).await
            } else {
                answer.await
            }
        });
        sleep(ms(10)).await;
    }
}

/// Done, and their handles are kept.
async fn kept() {
    let mut handles: Vec<Handle<u64>> = vec![];
    loop {
        handles.push(spawn(&JOB, job(ms(1))));
        if cured() && handles.len() > 8 {
            for handle in handles.drain(..) {
                handle.await;
            }
        }
        sleep(ms(10)).await;
    }
}

/// They wait for a lock that the first of them never gives back.
async fn stuck() {
    let lock = Arc::new(AsyncMutex::new(0u64));
    let forever = if cured() { None } else { Some(lock.lock().await) };
    loop {
        let lock = lock.clone();
        start_task(&WAITER, async move { *lock.lock().await += 1 });
        sleep(ms(10)).await;
        if OVER.load(Relaxed) {
            break;
        }
    }
    drop(forever);
}

// ---- extras ----

/// CPU time of this thread: that of a clock on the wall goes to others, too.
fn cpu_time() -> Duration {
    extern "C" {
        fn clock_gettime(clock: i32, time: *mut [i64; 2]) -> i32;
    }
    const THREAD_CPUTIME: i32 = 3;
    let mut time = [0i64; 2];
    // SAFETY: it writes two words, seconds and nanoseconds.
    unsafe { clock_gettime(THREAD_CPUTIME, &mut time) };
    Duration::new(time[0] as u64, time[1] as u32)
}

pub fn compute(time: Duration) {
    let begin = cpu_time();
    while cpu_time() - begin < time {
        std::hint::spin_loop();
    }
}

async fn crunch() { // gallery: long
    loop {
        for _ in 0..100 {
            compute(Duration::from_micros(400));
            if cured() {
                yield_now().await;
            }
        }
        sleep(ms(160)).await;
    }
}

/// Always runnable and never for long: who is woken waits behind all of them.
fn queued() {
    for _ in 0..if cured() { 2 } else { 30 } {
        start_task(&CRUNCH, async {
            loop {
                compute(ms(1));
                yield_now().await;
            }
        });
    }
    beats();
}

async fn crash(fail: bool) { // gallery: crash
    sleep(ms(2)).await;
    assert!(!fail, "as planned");
}

async fn crasher() {
    loop {
        rt::detach(spawn(&CRASHER, crash(!cured())));
        sleep(ms(50)).await;
    }
}

async fn large(cure: bool) -> usize {
    if cure {
        let buffer = vec![1u8; 64 << 10];
        sleep(ms(50)).await;
        buffer.iter().map(|b| *b as usize).sum()
    } else {
        let buffer = [1u8; 64 << 10];
        sleep(ms(50)).await;
        buffer.iter().map(|b| *b as usize).sum()
    }
}

pub type Start = fn();
const ALL: &[(&str, Start)] = &[
    ("drop_at_once", || start_task(&SPAWNER, drop_at_once())),
    ("drop_later", || start_task(&SESSION, drop_later())),
    ("cancel_at_once", || start_task(&SPAWNER, cancel_at_once())),
    ("drop_limited", || start_task(&SPAWNER, limited())),
    ("spin", || start_task(&SPIN, spin(Arc::default()))),
    ("yielding", || start_task(&YIELDER, yielder(Arc::default()))),
    ("pingpong", pingpong),
    ("block_sleep", || {
        beats();
        start_task(&SLEEPER, sleeper())
    }),
    ("block_mutex", || {
        beats();
        lockers()
    }),
    ("block_fifo", || {
        beats();
        readers()
    }),
    ("held", held),
    ("undriven", undriven),
    ("late", late),
    ("lost", lost),
    ("cycle", cycle),
    ("leak_unbounded", || start_task(&SPAWNER, unbounded())),
    ("leak_kept", || start_task(&SPAWNER, kept())),
    ("leak_stuck", || start_task(&SPAWNER, stuck())),
    ("long", || {
        beats();
        start_task(&CRUNCH, crunch())
    }),
    ("queued", queued),
    ("large", || start_task(&SPAWNER, async {
        loop {
            spawn(&LARGE, large(cured())).await;
        }
    })),
    ("crash", || start_task(&SPAWNER, crasher())),
];

fn all() -> impl Iterator<Item = &'static (&'static str, Start)> {
    ALL.iter().chain(load::ALL).chain(steady::ALL)
}

pub fn names() -> String {
    all().map(|b| b.0).collect::<Vec<_>>().join(" ")
}

pub fn known(name: &str) -> bool {
    all().any(|b| b.0 == name)
}

pub fn start(name: &str, cure: bool) {
    CURED.store(cure, Relaxed);
    all().filter(|b| b.0 == name).for_each(|b| b.1());
}
