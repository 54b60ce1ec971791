// SPDX-License-Identifier: MIT
//! The runtime beside Tokio: smol.

use std::future::Future;
use std::thread;
use std::time::Duration;

use smol::Executor;

static EXECUTOR: Executor<'static> = Executor::new();

/// As a library does that brings a runtime of its own.
pub fn drive() {
    for _ in 0..2 {
        thread::spawn(|| smol::block_on(EXECUTOR.run(std::future::pending::<()>())));
    }
}

pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    EXECUTOR.spawn(task).detach();
}

pub async fn pause(time: Duration) {
    smol::Timer::after(time).await;
}

pub async fn unblock(job: impl FnOnce() -> u64 + Send + 'static) {
    smol::unblock(job).await;
}

/// Of a task on its executor.
pub fn block_on(task: impl Future<Output = ()> + Send + 'static) {
    smol::block_on(EXECUTOR.spawn(task));
}
