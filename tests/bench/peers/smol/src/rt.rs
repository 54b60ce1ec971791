// SPDX-License-Identifier: MIT
//! smol under the names that peers/shared uses: its global executor, or one that the caller drives.

use smol::Executor;
use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

pub use smol::future::yield_now;
pub use smol::io::{AsyncReadExt, AsyncWriteExt};
pub use smol::lock::Mutex;
pub use smol::net::{TcpListener, TcpStream};

pub const FLAVOURS: &[&str] = &["global", "local"];
pub type Handle<T> = smol::Task<T>;
pub type Sender<T> = smol::channel::Sender<T>;
pub type Receiver<T> = smol::channel::Receiver<T>;

static LOCAL: AtomicBool = AtomicBool::new(false);
thread_local! {
    static EXECUTOR: Cell<Option<&'static Executor<'static>>> = const { Cell::new(None) };
}

/// The executor that this thread drives. Leaked: a benchmark has one or two.
fn executor() -> &'static Executor<'static> {
    EXECUTOR.get().unwrap_or_else(|| {
        let new = Box::leak(Box::new(Executor::new()));
        EXECUTOR.set(Some(new));
        new
    })
}

pub struct Runtime;

/// The global executor's size is read from the environment at its first use.
pub fn start(flavour: &str, workers: usize) -> Runtime {
    std::env::set_var("SMOL_THREADS", workers.to_string());
    LOCAL.store(flavour == "local", Relaxed);
    Runtime
}

impl Runtime {
    pub fn block_on<F: Future>(&self, f: F) -> F::Output {
        if LOCAL.load(Relaxed) {
            smol::block_on(executor().run(f))
        } else {
            smol::block_on(f)
        }
    }
}

pub fn spawn<F>(f: F) -> Handle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if LOCAL.load(Relaxed) {
        executor().spawn(f)
    } else {
        smol::spawn(f)
    }
}

pub async fn join<T>(handle: Handle<T>) -> T {
    handle.await
}

pub fn detach<T>(handle: Handle<T>) {
    handle.detach();
}

pub async fn sleep(time: Duration) {
    smol::Timer::after(time).await;
}

pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    smol::channel::bounded(capacity)
}

pub async fn send<T>(to: &Sender<T>, value: T) {
    let _ = to.send(value).await;
}

pub async fn recv<T>(from: &mut Receiver<T>) -> Option<T> {
    from.recv().await.ok()
}

pub async fn copy_both(a: TcpStream, b: TcpStream) {
    let back = spawn(copy(b.clone(), a.clone()));
    copy(a, b).await;
    join(back).await;
}

async fn copy(from: TcpStream, mut to: TcpStream) {
    let _ = smol::io::copy(from, &mut to).await;
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// Runs f as a task of an executor of its own, on a thread of its own on that CPU.
pub fn apart<F>(_flavour: String, cpu: usize, f: F) -> std::thread::JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    std::thread::spawn(move || {
        crate::pin::pin(cpu);
        let own = executor();
        smol::block_on(own.run(own.spawn(f)))
    })
}
