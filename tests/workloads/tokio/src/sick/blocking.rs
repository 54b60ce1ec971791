// SPDX-License-Identifier: MIT
//! blocking-call: a task that blocks its worker, by a sleep, a lock, a read, a channel, a disk, a name server.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{ToSocketAddrs, UdpSocket};
use std::sync::{mpsc, Arc, Mutex};
use std::thread;

use tokio::time::sleep;

use super::{company, in_thread, ms, scratch, Variant};
use crate::behaviours::OVER;
use crate::spawn::spawn;
use crate::truth::{kinds, Kind};
use std::sync::atomic::Ordering::Relaxed;

kinds! {
    SLEEPER "sleeper"    LOCKER "locker"    READER "reader"    RECEIVER "receiver"    SAVER "saver"    RESOLVER "resolver"
}

pub const VARIANTS: &[Variant] = &[
    Variant { name: "sleep", start: thread_sleep },
    Variant { name: "mutex", start: std_mutex },
    Variant { name: "fifo", start: slow_fifo },
    Variant { name: "channel", start: std_channel },
    Variant { name: "fsync", start: fsync },
    Variant { name: "dns", start: dns },
];

async fn sleeper(healthy: bool) { // gallery: sleep
    loop {
        if healthy {
            sleep(ms(80)).await;
        } else {
            thread::sleep(ms(80));
        }
        sleep(ms(120)).await;
    }
}

fn thread_sleep(healthy: bool) {
    company();
    spawn(&SLEEPER, sleeper(healthy)); // gallery: sleep
}

async fn locker(lock: Arc<Mutex<u64>>) { // gallery: mutex
    loop {
        *lock.lock().expect("never poisoned") += 1;
        sleep(ms(40)).await;
    }
}

async fn async_locker(lock: Arc<tokio::sync::Mutex<u64>>) {
    loop {
        *lock.lock().await += 1;
        sleep(ms(40)).await;
    }
}

/// A thread outside the runtime has the lock for 30 ms at a time.
fn std_mutex(healthy: bool) {
    company();
    if healthy {
        let lock = Arc::new(tokio::sync::Mutex::new(0u64));
        spawn(&LOCKER, async_locker(lock.clone()));
        in_thread(move || {
            let held = lock.blocking_lock();
            thread::sleep(ms(30));
            drop(held);
            thread::sleep(ms(30));
        });
    } else {
        let lock = Arc::new(Mutex::new(0u64));
        spawn(&LOCKER, locker(lock.clone())); // gallery: mutex
        in_thread(move || {
            let held = lock.lock().expect("never poisoned");
            thread::sleep(ms(30));
            drop(held);
            thread::sleep(ms(30));
        });
    }
}

fn read_one(mut from: &File) {
    let mut byte = [0u8; 1];
    let _ = from.read(&mut byte);
}

async fn reader(fifo: Arc<File>, healthy: bool) { // gallery: fifo
    while !OVER.load(Relaxed) {
        if healthy {
            let fifo = fifo.clone();
            let _ = tokio::task::spawn_blocking(move || read_one(&fifo)).await;
        } else {
            read_one(&fifo);
        }
        sleep(ms(20)).await;
    }
}

/// Somebody writes into it ten times a second.
fn slow_fifo(healthy: bool) {
    company();
    let path = scratch("fifo");
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    let both = OpenOptions::new().read(true).write(true).open(&path).expect("a fifo");
    let _ = std::fs::remove_file(&path);
    let mut writer = both.try_clone().expect("a descriptor");
    in_thread(move || {
        thread::sleep(ms(100));
        let _ = writer.write_all(b"x");
    });
    spawn(&READER, reader(Arc::new(both), healthy)); // gallery: fifo
}

async fn receiver(from: mpsc::Receiver<u8>) { // gallery: channel
    while from.recv().is_ok() {
        sleep(ms(20)).await;
    }
}

async fn async_receiver(mut from: tokio::sync::mpsc::Receiver<u8>) {
    while from.recv().await.is_some() {
        sleep(ms(20)).await;
    }
}

fn std_channel(healthy: bool) {
    company();
    if healthy {
        let (to, from) = tokio::sync::mpsc::channel(4);
        spawn(&RECEIVER, async_receiver(from));
        in_thread(move || {
            thread::sleep(ms(100));
            let _ = to.blocking_send(1);
        });
    } else {
        let (to, from) = mpsc::channel();
        spawn(&RECEIVER, receiver(from)); // gallery: channel
        in_thread(move || {
            thread::sleep(ms(100));
            let _ = to.send(1);
        });
    }
}

fn write_and_sync(mut to: &File) {
    let block = vec![0u8; 1 << 20];
    for _ in 0..5 {
        let _ = to.write_all(&block);
    }
    let _ = to.sync_all();
    let _ = to.set_len(0);
}

async fn saver(file: Arc<File>, healthy: bool) { // gallery: fsync
    while !OVER.load(Relaxed) {
        if healthy {
            let file = file.clone();
            let _ = tokio::task::spawn_blocking(move || write_and_sync(&file)).await;
        } else {
            write_and_sync(&file);
        }
        sleep(ms(100)).await;
    }
}

fn fsync(healthy: bool) {
    company();
    let path = scratch("fsync");
    let file = OpenOptions::new().append(true).create(true).open(&path).expect("a file");
    let _ = std::fs::remove_file(&path);
    spawn(&SAVER, saver(Arc::new(file), healthy)); // gallery: fsync
}

/// The resolver of this thread is to ask a server at this port.
#[cfg(target_env = "gnu")]
fn ask_port(port: u16) {
    extern "C" {
        fn __res_init() -> i32;
        fn __res_state() -> *mut u8;
    }
    // glibc's struct __res_state: retrans, retry, options, nscount, nsaddr_list. Each thread has its own.
    const RETRANS: usize = 0;
    const RETRY: usize = 4;
    const NSCOUNT: usize = 16;
    const NSADDR: usize = 20;
    // SAFETY: the numbers that resolv.h has, of this thread's own resolver.
    unsafe {
        __res_init();
        let state = __res_state();
        state.add(RETRANS).cast::<i32>().write_unaligned(1);
        state.add(RETRY).cast::<i32>().write_unaligned(1);
        state.add(NSCOUNT).cast::<i32>().write_unaligned(1);
        let server = state.add(NSADDR);
        server.cast::<u16>().write_unaligned(2); // AF_INET
        server.add(2).cast::<[u8; 2]>().write_unaligned(port.to_be_bytes());
        server.add(4).cast::<[u8; 4]>().write_unaligned([127, 0, 0, 1]);
    }
}

/// musl's has no such state: it asks whom resolv.conf names.
#[cfg(not(target_env = "gnu"))]
fn ask_port(_: u16) {}

fn look_up(port: u16) {
    ask_port(port);
    let _ = std::hint::black_box(("silent.example", 80).to_socket_addrs());
}

async fn resolver(server: UdpSocket, healthy: bool) { // gallery: dns
    let port = server.local_addr().expect("an address").port();
    while !OVER.load(Relaxed) {
        if healthy {
            let _ = tokio::task::spawn_blocking(move || look_up(port)).await;
        } else {
            look_up(port);
        }
        sleep(ms(100)).await;
    }
}

/// The name server, on loopback, never answers; a look-up gives up after a second.
fn dns(healthy: bool) {
    company();
    let server = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    spawn(&RESOLVER, resolver(server, healthy)); // gallery: dns
}
