// SPDX-License-Identifier: MIT

use std::future::Future;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::truth::{counted, Kind};

#[track_caller]
pub fn spawn<F>(kind: &'static Kind, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(counted(kind, future))
}

/// On another runtime.
#[track_caller]
pub fn spawn_on<F>(runtime: &Handle, kind: &'static Kind, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime.spawn(counted(kind, future))
}
