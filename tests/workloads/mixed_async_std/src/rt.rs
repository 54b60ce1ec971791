// SPDX-License-Identifier: MIT
//! The runtime beside Tokio: async-std.

use std::future::Future;
use std::time::Duration;

use async_std::task;

/// It has threads of its own from the first task on.
pub fn drive() {}

pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    task::spawn(task);
}

pub async fn pause(time: Duration) {
    task::sleep(time).await;
}

/// async-std's own goes by a task on its executor, which the healthy twin is to leave alone.
pub async fn unblock(job: impl FnOnce() -> u64 + Send + 'static) {
    let _ = tokio::task::spawn_blocking(job).await;
}

/// Of a task on its executor.
pub fn block_on(task: impl Future<Output = ()> + Send + 'static) {
    task::block_on(task::spawn(task));
}
