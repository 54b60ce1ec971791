// SPDX-License-Identifier: MIT
//! What the behaviours need of a runtime, by smol.

use std::future::Future;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use smol::{Executor, LocalExecutor, Timer};

pub use smol::block_on;
pub use smol::lock::Mutex as AsyncMutex;
pub use smol::net::{TcpListener, TcpStream};
pub use smol::Task as Handle;

use crate::truth::{counted, Kind};

pub const NAME: &str = "smol";

static EXECUTOR: OnceLock<Executor<'static>> = OnceLock::new();

fn executor() -> &'static Executor<'static> {
    EXECUTOR.get_or_init(Executor::new)
}

pub fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> Handle<T> {
    executor().spawn(future)
}

/// On an executor that nobody runs.
pub fn spawn_undriven(kind: &'static Kind, future: impl Future<Output = ()> + Send + 'static) {
    static FORGOTTEN: OnceLock<Executor<'static>> = OnceLock::new();
    FORGOTTEN.get_or_init(Executor::new).spawn(counted(kind, future)).detach();
}

/// One that somebody was on for a moment.
fn second() -> &'static Executor<'static> {
    static SECOND: OnceLock<Executor<'static>> = OnceLock::new();
    SECOND.get_or_init(Executor::new)
}

pub fn spawn_on_second(future: impl Future<Output = ()> + Send + 'static) {
    second().spawn(future).detach();
}

/// Its tasks go on until `time` is up.
pub fn run_second(time: impl Future<Output = ()>) {
    smol::block_on(second().run(time));
}

/// It ends with its executor, which waits for it or does not.
pub fn on_an_executor_of_its_own(future: impl Future<Output = ()> + Send + 'static, waits: bool) {
    let executor = Executor::new();
    let task = executor.spawn(future);
    if waits {
        smol::block_on(executor.run(task));
    } else {
        task.detach();
    }
}

/// The task goes on without its handle.
pub fn detach<T>(handle: Handle<T>) {
    handle.detach()
}

pub async fn cancel<T>(handle: Handle<T>) -> Option<T> {
    handle.cancel().await
}

pub async fn sleep(time: Duration) {
    Timer::after(time).await;
}

pub async fn blocking(job: impl FnOnce() + Send + 'static) {
    smol::unblock(job).await
}

/// On a thread that calls it: an executor of its own.
pub fn nested(future: impl Future<Output = ()>, beat: impl Future<Output = ()> + Send + 'static) {
    let local = LocalExecutor::new();
    let beat = local.spawn(beat);
    smol::block_on(local.run(future));
    drop(beat);
}

/// `workers` threads drive the executor; `main` is polled by this one, which does not.
pub fn run(workers: usize, main: impl Future<Output = ()>) {
    let (stop, stopped) = smol::channel::bounded::<()>(1);
    thread::scope(|scope| {
        for _ in 0..workers {
            let stopped = stopped.clone();
            scope.spawn(move || {
                // A task that panics unwinds through the executor: the thread takes up its work again.
                while catch_unwind(AssertUnwindSafe(|| {
                    let _ = smol::block_on(executor().run(stopped.recv()));
                }))
                .is_err()
                {}
            });
        }
        smol::block_on(main);
        drop(stop);
    });
}
