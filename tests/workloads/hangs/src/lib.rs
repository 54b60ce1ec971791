// SPDX-License-Identifier: MIT
//! Tests for `cargo test`: each of `hangs` waits for what never comes, those of `fine` end.

#[cfg(test)]
mod hangs {
    use std::sync::{Arc, Mutex};
    use tokio::sync::{oneshot, Notify};

    /// The sender lives as long as the test waits for it.
    #[tokio::test]
    async fn waits_for_a_message() {
        let (sender, receiver) = oneshot::channel::<u32>();
        assert_eq!(receiver.await, Ok(1));
        drop(sender);
    }

    /// A std lock that is taken twice, in a task.
    #[tokio::test]
    async fn locks_twice() {
        let lock = Arc::new(Mutex::new(0));
        let task = tokio::spawn(async move {
            let first = lock.lock().unwrap();
            let second = lock.lock().unwrap();
            *first + *second
        });
        assert_eq!(task.await.unwrap(), 0);
    }

    /// The wake comes before anybody waits: notify_waiters leaves no permit.
    #[tokio::test(flavor = "multi_thread")]
    async fn waits_for_a_task() {
        let notify = Arc::new(Notify::new());
        notify.notify_waiters();
        tokio::spawn(async move { notify.notified().await }).await.unwrap();
    }
}

#[cfg(test)]
mod fine {
    use std::time::Duration;

    #[tokio::test]
    async fn passes() {
        assert_eq!(tokio::spawn(async { 1 }).await.unwrap(), 1);
    }

    /// It stands still for as long, and will go on by itself.
    #[tokio::test]
    async fn sleeps() {
        tokio::time::sleep(Duration::from_secs(9)).await;
    }

    /// The same: its thread waits without an end, but for one that does not.
    #[tokio::test]
    async fn waits_for_a_job() {
        tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_secs(9))).await.unwrap();
    }
}
