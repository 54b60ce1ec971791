// SPDX-License-Identifier: MIT
//! A program with 5,000 task types, one idle task of each: prints "ready PID", runs until it is ended.
use std::time::Duration;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        part0::spawn_all();
        part1::spawn_all();
        part2::spawn_all();
        part3::spawn_all();
        part4::spawn_all();
        println!("ready {}", std::process::id());
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            tokio::spawn(async {});
        }
    });
}
