// SPDX-License-Identifier: MIT
//! async-std under the names that peers/shared uses. One pool for the whole process.

use std::future::Future;
use std::time::Duration;

pub use async_std::io::prelude::WriteExt as AsyncWriteExt;
pub use async_std::io::ReadExt as AsyncReadExt;
pub use async_std::net::{TcpListener, TcpStream};
pub use async_std::sync::Mutex;
pub use async_std::task::yield_now;

pub const FLAVOURS: &[&str] = &["pool"];
pub type Handle<T> = async_std::task::JoinHandle<T>;
pub type Sender<T> = async_std::channel::Sender<T>;
pub type Receiver<T> = async_std::channel::Receiver<T>;

pub struct Runtime;

/// The pool's size is read from the environment at its first use.
pub fn start(_flavour: &str, workers: usize) -> Runtime {
    std::env::set_var("ASYNC_STD_THREAD_COUNT", workers.to_string());
    Runtime
}

impl Runtime {
    pub fn block_on<F: Future>(&self, f: F) -> F::Output {
        async_std::task::block_on(f)
    }
}

pub fn spawn<F>(f: F) -> Handle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    async_std::task::spawn(f)
}

pub async fn join<T>(handle: Handle<T>) -> T {
    handle.await
}

pub fn detach<T>(handle: Handle<T>) {
    drop(handle);
}

pub async fn sleep(time: Duration) {
    async_std::task::sleep(time).await;
}

pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    async_std::channel::bounded(capacity)
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

async fn copy(from: TcpStream, to: TcpStream) {
    let _ = async_std::io::copy(&mut &from, &mut &to).await;
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// Runs f on a thread of its own on that CPU; there is no second pool.
pub fn apart<F>(_flavour: String, cpu: usize, f: F) -> std::thread::JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    std::thread::spawn(move || {
        crate::pin::pin(cpu);
        async_std::task::block_on(f)
    })
}
