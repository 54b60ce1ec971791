// SPDX-License-Identifier: MIT
//! Other processes that take the CPUs, for the workloads of all Rust runtimes. They end with this one.

use std::process::{Command, Stdio};

pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// Eight for each CPU.
pub fn crowd() {
    for _ in 0..8 * cpus() {
        let loops = "while [ -d /proc/$PPID/task ]; do :; done";
        Command::new("sh").args(["-c", loops]).stdin(Stdio::null()).spawn().expect("a shell");
    }
}
