// SPDX-License-Identifier: MIT
//! A thread that forks again and again, without exec. Each child runs code of the runtime, and so all the probes that it has
//! inherited. One that does not end well ends the program, with exit code 99.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use crate::behaviours::{OVER, THREADS};

extern "C" {
    fn fork() -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
    fn _exit(code: i32) -> !;
}

/// What is done here is not among the parent's tasks: nothing is counted.
fn in_child() -> i32 {
    let rt = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    rt.block_on(async {
        let tasks: Vec<_> = (0..10).map(|n| tokio::spawn(async move {
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            n
        })).collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        sum - 45
    })
}

fn fork_often() {
    let mut children = 0;
    while !OVER.load(Relaxed) {
        let mut status = 0;
        // SAFETY: this thread holds no lock; the child ends with _exit.
        let ended = unsafe {
            match fork() {
                0 => _exit(in_child()),
                pid => waitpid(pid, &mut status, 0) == pid,
            }
        };
        if !ended || status != 0 {
            eprintln!("child {children}: status {status:#x}");
            std::process::exit(99);
        }
        children += 1;
        thread::sleep(Duration::from_millis(20));
    }
    eprintln!("children {children}");
}

pub fn forks() {
    THREADS.lock().expect("no panics here").push(thread::spawn(fork_often));
}
