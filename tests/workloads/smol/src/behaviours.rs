// SPDX-License-Identifier: MIT
//! The behaviours, the same for smol and async-std; those of tests/workloads/tokio under the same names.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use async_channel::{bounded, Receiver, Sender};
use event_listener::Event;
use futures_lite::future::yield_now;
use futures_lite::{AsyncReadExt, AsyncWriteExt, FutureExt};

use crate::rt::{self, sleep, Handle, TcpListener, TcpStream};
use crate::truth::{block, counted, hog, wake, Kind, JOBS_ASKED, JOBS_RUN, WAKE_DELAY_MAX_US};

pub static OVER: AtomicBool = AtomicBool::new(false);
static THREADS: Mutex<Vec<thread::JoinHandle<()>>> = Mutex::new(vec![]);

macro_rules! kind_list {
    ($($id:ident $name:literal)*) => {
        $(pub static $id: Kind = Kind::new($name);)*
        pub fn kinds() -> Vec<&'static Kind> { vec![$(&$id),*] }
    };
}
pub(crate) use kind_list;

kind_list! {
    SERVICE_ACCEPT "service_accept"      SERVICE_CONNECTION "service_connection"
    ECHO_SERVER "echo_server"            ECHO_CONNECTION "echo_connection"    ECHO_CLIENT "echo_client"
    TICKER "ticker"                      LEAKER "leaker"                      LEAKY_WAIT "leaky_wait"
    SELF_WAKER "self_waker"              STORM "storm"                        CPU_HOG "cpu_hog"
    BLOCKING_SLEEP "blocking_sleep"      MUTEX_WAITER "mutex_waiter"          JOINER "joiner"
    SHORT_JOB "short_job"                ABORTER "aborter"                    NEVER_DONE "never_done"
    DROPPER "dropper"                    DROPPED "dropped"                    DETACHED "detached"
    PANIC_PARENT "panic_parent"          PANICKY "panicky"
    PRODUCER "producer"                  CONSUMER "consumer"                  JOB_CALLER "job_caller"
    COUNTDOWNS "countdowns"              COUNTDOWN "countdown"                NESTED_TICKER "nested_ticker"
    LOST_WAKER "lost_waker"              STARVED "starved"
    LISTENER "listener"
}

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub fn spawn<T: Send + 'static>(kind: &'static Kind, future: impl Future<Output = T> + Send + 'static) -> Handle<T> {
    rt::spawn(counted(kind, future))
}

pub fn start_task(kind: &'static Kind, future: impl Future<Output = ()> + Send + 'static) {
    rt::detach(spawn(kind, future))
}

// ---- sound ----

async fn echo_connection(mut peer: TcpStream) {
    let mut buffer = [0u8; 4096];
    while let Ok(n) = peer.read(&mut buffer).await {
        if n == 0 || peer.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn echo_server(listener: TcpListener, kind: &'static Kind) {
    while let Ok((peer, _)) = listener.accept().await {
        let _ = peer.set_nodelay(true);
        start_task(kind, echo_connection(peer));
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

async fn listen(port: u16) -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

/// The load mode; returns the port.
pub async fn serve(port: u16) -> u16 {
    let (listener, port) = listen(port).await;
    start_task(&SERVICE_ACCEPT, echo_server(listener, &SERVICE_CONNECTION));
    port
}

fn echo() {
    start_task(&ECHO_SERVER, async {
        let (listener, port) = listen(0).await;
        for _ in 0..4 {
            start_task(&ECHO_CLIENT, echo_client(port));
        }
        echo_server(listener, &ECHO_CONNECTION).await
    });
}

async fn ticker(period: Duration) {
    loop {
        sleep(period).await;
    }
}

fn tickers() {
    for period in [5, 10, 50] {
        start_task(&TICKER, ticker(ms(period)));
    }
}

async fn short_job(n: u64) -> u64 {
    sleep(ms(n % 3)).await;
    n
}

async fn joiner() {
    for n in 0.. {
        assert_eq!(spawn(&SHORT_JOB, short_job(n)).await, n);
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
        assert!(rt::cancel(victim).await.is_none());
        sleep(ms(10)).await;
    }
}

/// One that is let go, and one whose handle just goes out of scope: what that means differs by runtime.
async fn dropper() {
    for n in 0.. {
        rt::detach(spawn(&DETACHED, short_job(n)));
        drop(spawn(&DROPPED, short_job(n)));
        sleep(ms(15)).await;
    }
}

async fn panicky() {
    sleep(ms(2)).await;
    panic!("as planned");
}

async fn panic_parent() {
    loop {
        assert!(AssertUnwindSafe(spawn(&PANICKY, panicky())).catch_unwind().await.is_err());
        sleep(ms(50)).await;
    }
}

async fn producer(to: Sender<u64>) {
    for n in 0.. {
        if to.send(n).await.is_err() {
            return;
        }
        if n % 16 == 0 {
            sleep(ms(4)).await;
        }
    }
}

async fn consumer(from: Receiver<u64>) {
    let mut next = 0;
    while let Ok(n) = from.recv().await {
        assert_eq!(n, next);
        next += 1;
    }
}

fn channel() {
    let (to, from) = bounded(8);
    start_task(&PRODUCER, producer(to));
    start_task(&CONSUMER, consumer(from));
}

async fn job_caller() {
    loop {
        JOBS_ASKED.fetch_add(1, Relaxed);
        rt::blocking(|| {
            thread::sleep(ms(2));
            JOBS_RUN.fetch_add(1, Relaxed);
        })
        .await;
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
        Countdown { kind: &SELF_WAKER, left: 20 }.await;
        sleep(ms(5)).await;
    }
}

async fn countdowns() {
    loop {
        spawn(&COUNTDOWN, Countdown { kind: &COUNTDOWN, left: 10 }).await;
        sleep(ms(20)).await;
    }
}

pub fn in_thread(body: impl FnOnce() + Send + 'static) {
    THREADS.lock().expect("no panics here").push(thread::spawn(body));
}

/// Tasks on a thread of their own, beside the runtime's.
fn nested() {
    in_thread(|| {
        let until_over = async {
            while !OVER.load(Relaxed) {
                sleep(ms(10)).await;
            }
        };
        rt::nested(until_over, counted(&NESTED_TICKER, ticker(ms(20))));
    });
}

// ---- sick ----

async fn leaker() {
    loop {
        let never = Arc::new(Event::new());
        start_task(&LEAKY_WAIT, async move { never.listen().await });
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
    in_thread(move || {
        while !OVER.load(Relaxed) {
            let held = theirs.lock().expect("never poisoned");
            thread::sleep(ms(30));
            drop(held);
            thread::sleep(ms(30));
        }
    });
    start_task(&MUTEX_WAITER, mutex_waiter(lock));
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
        start_task(&LOST_WAKER, LostWaker);
    }
}

async fn starved() {
    sleep(ms(1)).await;
}

/// Tasks that wait behind workers which block: as many blockers as there are workers, and more.
fn never_runs() {
    for _ in 0..16 {
        start_task(&BLOCKING_SLEEP, async {
            // An executor looks whether it may stop once in 200 polls.
            while !OVER.load(Relaxed) {
                thread::sleep(ms(400));
                yield_now().await;
            }
        });
    }
    for _ in 0..20 {
        start_task(&STARVED, starved());
    }
}

/// What is sent before its first poll waits for that, not for a wake.
static LISTENS: AtomicBool = AtomicBool::new(false);

async fn listener(from: Receiver<Instant>) {
    LISTENS.store(true, Relaxed);
    while let Ok(sent) = from.recv().await {
        WAKE_DELAY_MAX_US.fetch_max(sent.elapsed().as_micros() as u64, Relaxed);
    }
}

/// A thread that no executor knows wakes a task.
fn outside() {
    let (to, from) = bounded(64);
    in_thread(move || {
        while !LISTENS.load(Relaxed) && !OVER.load(Relaxed) {
            thread::sleep(ms(1));
        }
        while !OVER.load(Relaxed) {
            wake(|now| to.send_blocking(now).expect("the listener"));
            thread::sleep(ms(20));
        }
    });
    start_task(&LISTENER, listener(from));
}

type Start = fn();
const SOUND: usize = 11;
const ALL: &[(&str, Start)] = &[
    ("echo", echo),
    ("tickers", tickers),
    ("joiner", || start_task(&JOINER, joiner())),
    ("aborter", || start_task(&ABORTER, aborter())),
    ("dropper", || start_task(&DROPPER, dropper())),
    ("panicking", || start_task(&PANIC_PARENT, panic_parent())),
    ("mpsc", channel),
    ("spawn_blocking", || start_task(&JOB_CALLER, job_caller())),
    ("self_waker", || start_task(&SELF_WAKER, self_waker())),
    ("hand_written", || start_task(&COUNTDOWNS, countdowns())),
    ("nested", nested),
    // Those above are sound, see SOUND.
    ("leaker", || start_task(&LEAKER, leaker())),
    ("cpu_hog", || start_task(&CPU_HOG, cpu_hog())),
    ("blocking_sleep", || start_task(&BLOCKING_SLEEP, blocking_sleep())),
    ("mutex_held", mutex_held),
    ("lost_waker", lost_waker),
    ("storm", || start_task(&STORM, Storm)),
    ("never_runs", never_runs),
    // Not among `all`.
    ("outside", outside),
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
