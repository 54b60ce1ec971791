// SPDX-License-Identifier: MIT
//! The behaviours. Each spawns its tasks and goes on until the program ends; rates are chosen so that all of
//! them together leave a core half idle.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, Notify};
use tokio::time::{interval, sleep};

use crate::forks;
use crate::spawn::spawn;
use crate::timing;
use crate::truth::{block, hog, kinds, wake, Kind, JOBS_ASKED, JOBS_RUN, WAKE_DELAY_MAX_US};

pub static OVER: AtomicBool = AtomicBool::new(false);
pub static THREADS: Mutex<Vec<thread::JoinHandle<()>>> = Mutex::new(vec![]);

kinds! {
    SERVICE_ACCEPT "service_accept"      SERVICE_CONNECTION "service_connection"
    ECHO_SERVER "echo_server"            ECHO_CONNECTION "echo_connection"    ECHO_CLIENT "echo_client"
    TICKER "ticker"                      LEAKER "leaker"                      LEAKY_WAIT "leaky_wait"
    SELF_WAKER "self_waker"              STORM "storm"                        CPU_HOG "cpu_hog"
    BLOCKING_SLEEP "blocking_sleep"      MUTEX_WAITER "mutex_waiter"          JOINER "joiner"
    SHORT_JOB "short_job"                ABORTER "aborter"                    NEVER_DONE "never_done"
    DROPPER "dropper"                    DETACHED "detached"                  PANIC_PARENT "panic_parent"
    PANICKY "panicky"                    PRODUCER "producer"                  CONSUMER "consumer"
    JOB_CALLER "job_caller"              COUNTDOWNS "countdowns"              COUNTDOWN "countdown"                NESTED_TICKER "nested_ticker"
    LOST_WAKER "lost_waker"              STARVED "starved"                    STUCK "stuck"
    LISTENER "listener"                  SLEEPER "sleeper"
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

// ---- sound ----

async fn echo_connection(mut peer: TcpStream) {
    let mut buffer = [0u8; 256];
    while let Ok(n) = peer.read(&mut buffer).await {
        if n == 0 || peer.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn echo_server(listener: TcpListener) {
    while let Ok((peer, _)) = listener.accept().await {
        spawn(&ECHO_CONNECTION, echo_connection(peer));
    }
}

async fn echo_client(port: u16) {
    let mut buffer = [0u8; 64];
    loop {
        let mut peer = TcpStream::connect(("127.0.0.1", port)).await.expect("own server");
        for _ in 0..20 {
            peer.write_all(b"sixteen bytes...").await.expect("own server");
            peer.read_exact(&mut buffer[..16]).await.expect("own server");
            sleep(ms(5)).await;
        }
    }
}

fn echo() {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.set_nonblocking(true).expect("non-blocking");
    let port = listener.local_addr().expect("an address").port();
    spawn(&ECHO_SERVER, echo_server(TcpListener::from_std(listener).expect("a listener")));
    for _ in 0..4 {
        spawn(&ECHO_CLIENT, echo_client(port));
    }
}

pub async fn ticker(period: Duration) {
    let mut beat = interval(period);
    loop {
        beat.tick().await;
    }
}

fn tickers() {
    for period in [5, 10, 50] {
        spawn(&TICKER, ticker(ms(period)));
    }
}

async fn short_job(n: u64) -> u64 {
    sleep(ms(n % 3)).await;
    n
}

async fn joiner() {
    for n in 0.. {
        assert_eq!(spawn(&SHORT_JOB, short_job(n)).await.expect("a short job"), n);
        sleep(ms(10)).await;
    }
}

async fn never_done() {
    std::future::pending::<()>().await
}

async fn aborter() {
    loop {
        let victim = spawn(&NEVER_DONE, never_done());
        sleep(ms(30)).await;
        victim.abort();
        assert!(victim.await.expect_err("was aborted").is_cancelled());
        sleep(ms(10)).await;
    }
}

async fn dropper() {
    for n in 0.. {
        drop(spawn(&DETACHED, short_job(n)));
        sleep(ms(15)).await;
    }
}

async fn panicky() {
    sleep(ms(2)).await;
    panic!("as planned");
}

async fn panic_parent() {
    loop {
        assert!(spawn(&PANICKY, panicky()).await.expect_err("panics").is_panic());
        sleep(ms(50)).await;
    }
}

async fn producer(to: mpsc::Sender<u64>) {
    for n in 0.. {
        if to.send(n).await.is_err() {
            return;
        }
        if n % 16 == 0 {
            sleep(ms(4)).await;
        }
    }
}

async fn consumer(mut from: mpsc::Receiver<u64>) {
    let mut next = 0;
    while let Some(n) = from.recv().await {
        assert_eq!(n, next);
        next += 1;
    }
}

fn channel() {
    let (to, from) = mpsc::channel(8);
    spawn(&PRODUCER, producer(to));
    spawn(&CONSUMER, consumer(from));
}

async fn job_caller() {
    loop {
        JOBS_ASKED.fetch_add(1, Relaxed);
        let job = tokio::task::spawn_blocking(|| {
            thread::sleep(ms(2));
            JOBS_RUN.fetch_add(1, Relaxed);
        });
        job.await.expect("a job");
        sleep(ms(20)).await;
    }
}

/// Wakes itself a given number of times, then is done.
struct Countdown {
    kind: &'static Kind,
    left: u32,
}

impl Future for Countdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.left == 0 {
            return Poll::Ready(());
        }
        self.left -= 1;
        self.kind.self_wakes.fetch_add(1, Relaxed);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn self_waker() {
    loop {
        Countdown { kind: &SELF_WAKER, left: 10 }.await;
        sleep(ms(20)).await;
    }
}

async fn countdowns() {
    loop {
        let _ = spawn(&COUNTDOWN, Countdown { kind: &COUNTDOWN, left: 10 }).await;
        sleep(ms(20)).await;
    }
}

/// A second runtime in the same process, on a thread of its own.
fn nested() {
    let thread = thread::spawn(|| {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        rt.block_on(async {
            let beat = spawn(&NESTED_TICKER, ticker(ms(20)));
            while !OVER.load(Relaxed) {
                sleep(ms(10)).await;
            }
            drop(beat);
        });
    });
    THREADS.lock().expect("no panics here").push(thread);
}

// ---- sick ----

async fn leaker() {
    loop {
        let never = Arc::new(Notify::new());
        drop(spawn(&LEAKY_WAIT, async move { never.notified().await }));
        sleep(ms(10)).await;
    }
}

/// Asks to be polled again at once, for ever.
struct Storm;

impl Future for Storm {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        STORM.self_wakes.fetch_add(1, Relaxed);
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

async fn cpu_hog() {
    loop {
        hog(ms(60));
        sleep(ms(140)).await;
    }
}

async fn blocking_sleep() {
    loop {
        block(ms(80));
        sleep(ms(120)).await;
    }
}

async fn mutex_waiter(lock: Arc<Mutex<u64>>) {
    loop {
        *lock.lock().expect("never poisoned") += 1;
        sleep(ms(40)).await;
    }
}

/// A thread outside the runtime holds a std Mutex for 30 ms at a time; tasks lock it, too.
fn mutex_held() {
    let lock = Arc::new(Mutex::new(0u64));
    let theirs = lock.clone();
    let thread = thread::spawn(move || {
        while !OVER.load(Relaxed) {
            let held = theirs.lock().expect("never poisoned");
            thread::sleep(ms(30));
            drop(held);
            thread::sleep(ms(30));
        }
    });
    THREADS.lock().expect("no panics here").push(thread);
    spawn(&MUTEX_WAITER, mutex_waiter(lock));
}

/// One poll that lasts until the end.
async fn stuck() {
    while !OVER.load(Relaxed) {
        thread::sleep(ms(200));
    }
}

/// Pending, and nobody has its waker.
struct LostWaker;

impl Future for LostWaker {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

fn lost_waker() {
    for _ in 0..8 {
        drop(spawn(&LOST_WAKER, LostWaker));
    }
}

async fn starved() {
    sleep(ms(1)).await;
}

/// Tasks that wait behind workers which block: as many blockers as there are workers, and more.
fn never_runs() {
    for _ in 0..16 {
        spawn(&BLOCKING_SLEEP, async {
            loop {
                thread::sleep(ms(400));
                tokio::task::yield_now().await;
            }
        });
    }
    for _ in 0..20 {
        spawn(&STARVED, starved());
    }
}

async fn sleeper() {
    sleep(Duration::from_secs(3600)).await;
}

/// A service with many connections of which most are idle.
fn sleepers() {
    for _ in 0..10_000 {
        spawn(&SLEEPER, sleeper());
    }
}

/// What is sent before its first poll waits for that, not for a wake.
static LISTENS: AtomicBool = AtomicBool::new(false);

async fn listener(mut from: mpsc::Receiver<Instant>) {
    LISTENS.store(true, Relaxed);
    while let Some(sent) = from.recv().await {
        WAKE_DELAY_MAX_US.fetch_max(sent.elapsed().as_micros() as u64, Relaxed);
    }
}

/// A thread that no runtime knows wakes a task.
fn outside() {
    let (to, from) = mpsc::channel(64);
    let thread = thread::spawn(move || {
        while !LISTENS.load(Relaxed) && !OVER.load(Relaxed) {
            thread::sleep(ms(1));
        }
        while !OVER.load(Relaxed) {
            wake(|now| to.blocking_send(now).expect("the listener"));
            thread::sleep(ms(20));
        }
    });
    THREADS.lock().expect("no panics here").push(thread);
    spawn(&LISTENER, listener(from));
}

type Start = fn();
const SOUND: usize = 11;
const ALL: &[(&str, Start)] = &[
    ("echo", echo),
    ("tickers", tickers),
    ("joiner", || drop(spawn(&JOINER, joiner()))),
    ("aborter", || drop(spawn(&ABORTER, aborter()))),
    ("dropper", || drop(spawn(&DROPPER, dropper()))),
    ("panicking", || drop(spawn(&PANIC_PARENT, panic_parent()))),
    ("mpsc", channel),
    ("spawn_blocking", || drop(spawn(&JOB_CALLER, job_caller()))),
    ("self_waker", || drop(spawn(&SELF_WAKER, self_waker()))),
    ("hand_written", || drop(spawn(&COUNTDOWNS, countdowns()))),
    ("nested", nested),
    // Those above are sound, see SOUND.
    ("leaker", || drop(spawn(&LEAKER, leaker()))),
    ("cpu_hog", || drop(spawn(&CPU_HOG, cpu_hog()))),
    ("blocking_sleep", || drop(spawn(&BLOCKING_SLEEP, blocking_sleep()))),
    ("mutex_held", mutex_held),
    ("lost_waker", lost_waker),
    ("storm", || drop(spawn(&STORM, Storm))),
    ("never_runs", never_runs),
    ("stuck", || drop(spawn(&STUCK, stuck()))),
    // Not among `all`.
    ("forks", forks::forks),
    ("outside", outside),
    ("sleepers", sleepers),
    // The program's own runtime has to be alone, or to have one worker.
    ("deadlines", timing::deadlines),
    ("held", timing::held),
    ("queues", timing::queues),
    ("runtimes", timing::runtimes),
];
/// `all` leaves out what would starve everything else.
const TOGETHER: usize = 16;

pub fn names() -> String {
    ALL.iter().map(|b| b.0).collect::<Vec<_>>().join(" ")
}

pub fn known(name: &str) -> bool {
    name == "all" || name == "sound" || ALL.iter().any(|b| b.0 == name)
}

pub fn start(name: &str) {
    match name {
        "all" => ALL[..TOGETHER].iter().for_each(|b| b.1()),
        "sound" => ALL[..SOUND].iter().for_each(|b| b.1()),
        _ => ALL.iter().filter(|b| b.0 == name).for_each(|b| b.1()),
    }
}

pub fn join_threads() {
    let threads = std::mem::take(&mut *THREADS.lock().expect("no panics here"));
    for thread in threads {
        let _ = thread.join();
    }
}
