// SPDX-License-Identifier: MIT
//! What the behaviours need of a runtime, by async-std.

use std::future::Future;
use std::time::Duration;

use async_std::task;

pub use async_std::sync::Mutex as AsyncMutex;
pub use async_std::net::{TcpListener, TcpStream};
pub use async_std::task::JoinHandle as Handle;

pub use async_std::task::block_on;

use crate::truth::Kind;

pub const NAME: &str = "async-std";

pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Handle<T> {
    task::spawn(future)
}

/// Its one executor is always run.
fn not_here() -> ! {
    eprintln!("not on async-std");
    std::process::exit(2)
}

pub fn spawn_undriven(_: &'static Kind, _: impl Future<Output = ()> + Send + 'static) {
    not_here()
}

pub fn spawn_on_second(_: impl Future<Output = ()> + Send + 'static) {
    not_here()
}

pub fn run_second(_: impl Future<Output = ()>) {
    not_here()
}

pub fn on_an_executor_of_its_own(_: impl Future<Output = ()> + Send + 'static, _: bool) {
    not_here()
}

/// The task goes on without its handle.
pub fn detach<T>(handle: Handle<T>) {
    drop(handle)
}

pub async fn cancel<T>(handle: Handle<T>) -> Option<T> {
    handle.cancel().await
}

pub async fn sleep(time: Duration) {
    task::sleep(time).await
}

pub async fn blocking(job: impl FnOnce() + Send + 'static) {
    task::spawn_blocking(job).await
}

/// On a thread that calls it. There is one executor only: what is on the thread is a future that is no task.
pub fn nested(future: impl Future<Output = ()>, beat: impl Future<Output = ()> + Send + 'static) {
    task::block_on(async {
        let beat = task::spawn(beat);
        future.await;
        beat.cancel().await;
    });
}

pub fn run(workers: usize, main: impl Future<Output = ()>) {
    std::env::set_var("ASYNC_STD_THREAD_COUNT", workers.to_string());
    task::block_on(main)
}
