// SPDX-License-Identifier: MIT
//! Tokio under the names that peers/shared uses.

use std::future::Future;

pub use tokio::io::{AsyncReadExt, AsyncWriteExt};
pub use tokio::net::{TcpListener, TcpStream};
pub use tokio::sync::Mutex;
pub use tokio::task::yield_now;
pub use tokio::time::sleep;

pub const FLAVOURS: &[&str] = &["multi_thread", "current_thread"];
pub type Handle<T> = tokio::task::JoinHandle<T>;
pub type Sender<T> = tokio::sync::mpsc::Sender<T>;
pub type Receiver<T> = tokio::sync::mpsc::Receiver<T>;

pub struct Runtime(tokio::runtime::Runtime);

pub fn start(flavour: &str, workers: usize) -> Runtime {
    let mut builder = match flavour {
        "multi_thread" => tokio::runtime::Builder::new_multi_thread(),
        "current_thread" => tokio::runtime::Builder::new_current_thread(),
        _ => panic!("flavours: {FLAVOURS:?}"),
    };
    Runtime(builder.worker_threads(workers).enable_all().build().expect("runtime"))
}

impl Runtime {
    pub fn block_on<F: Future>(&self, f: F) -> F::Output {
        self.0.block_on(f)
    }
}

pub fn spawn<F>(f: F) -> Handle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(f)
}

pub async fn join<T>(handle: Handle<T>) -> T {
    handle.await.expect("task")
}

pub fn detach<T>(handle: Handle<T>) {
    drop(handle);
}

pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    tokio::sync::mpsc::channel(capacity)
}

pub async fn send<T>(to: &Sender<T>, value: T) {
    let _ = to.send(value).await;
}

pub async fn recv<T>(from: &mut Receiver<T>) -> Option<T> {
    from.recv().await
}

pub async fn copy_both(mut a: TcpStream, mut b: TcpStream) {
    let _ = tokio::io::copy_bidirectional(&mut a, &mut b).await;
}

/// Runs f as a task of a runtime of its own, on a thread of its own on that CPU.
pub fn apart<F>(flavour: String, cpu: usize, f: F) -> std::thread::JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    std::thread::spawn(move || {
        crate::pin::pin(cpu);
        let runtime = start(&flavour, 1);
        runtime.block_on(async { join(spawn(f)).await });
    })
}
