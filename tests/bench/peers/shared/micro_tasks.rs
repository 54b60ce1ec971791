// SPDX-License-Identifier: MIT
//! Spawning, yielding, waking, queues and locks.

use crate::micro::{Clock, Cost};
use crate::rt;
use std::future::poll_fn;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

const YIELDS: usize = 64_000;
const HOPS: usize = 200_000;
const LOCKS: usize = 64_000;

pub async fn spawn_join(n: usize) -> Cost {
    let clock = Clock::start();
    for i in 0..n {
        rt::join(rt::spawn(async move { black_box(i) })).await;
    }
    clock.stop(n)
}

/// n tasks at a time, 100,000 or a little more in all.
pub async fn spawn_many(n: usize) -> Cost {
    let times = 100_000usize.div_ceil(n);
    let mut handles = Vec::with_capacity(n);
    let clock = Clock::start();
    for _ in 0..times {
        handles.extend((0..n).map(|i| rt::spawn(async move { black_box(i) })));
        for handle in handles.drain(..) {
            rt::join(handle).await;
        }
    }
    clock.stop(n * times)
}

async fn yields(n: usize) {
    for _ in 0..n {
        rt::yield_now().await;
    }
}

pub async fn yield_alone(n: usize) -> Cost {
    let clock = Clock::start();
    yields(n).await;
    clock.stop(n)
}

pub async fn yield_many(tasks: usize) -> Cost {
    let each = (YIELDS / tasks).max(100);
    let clock = Clock::start();
    let handles: Vec<_> = (0..tasks).map(|_| rt::spawn(yields(each))).collect();
    for handle in handles {
        rt::join(handle).await;
    }
    clock.stop(tasks * each)
}

/// Two tasks that wake each other in turn, through wakers that each left once.
#[derive(Default)]
struct Pair {
    turn: AtomicUsize,
    waker: [OnceLock<Waker>; 2],
}

async fn meet(pair: &Pair, me: usize) {
    poll_fn(|cx| {
        let _ = pair.waker[me].set(cx.waker().clone());
        Poll::Ready(())
    })
    .await;
    while pair.waker[1 - me].get().is_none() {
        rt::yield_now().await;
    }
}

async fn play(pair: &Pair, me: usize, hops: usize) {
    let other = pair.waker[1 - me].get().expect("waker");
    for _ in 0..hops {
        poll_fn(|_| match pair.turn.load(Ordering::Acquire) == me {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
        pair.turn.store(1 - me, Ordering::Release);
        other.wake_by_ref();
    }
}

async fn player(pair: Arc<Pair>, me: usize, hops: usize) {
    meet(&pair, me).await;
    play(&pair, me, hops).await;
}

pub async fn wake(pairs: usize) -> Cost {
    let each = (HOPS / pairs / 2).max(100);
    let clock = Clock::start();
    let mut handles = Vec::new();
    for _ in 0..pairs {
        let pair = Arc::new(Pair::default());
        handles.push(rt::spawn(player(pair.clone(), 0, each)));
        handles.push(rt::spawn(player(pair, 1, each)));
    }
    for handle in handles {
        rt::join(handle).await;
    }
    clock.stop(2 * pairs * each)
}

/// The players have a thread each: every hop has to reach a thread that has nothing else to do.
pub fn wake_cross(flavour: &str, hops: usize) -> Cost {
    let pair = Arc::new(Pair::default());
    let cost = Arc::new(OnceLock::new());
    let (first, result) = (pair.clone(), cost.clone());
    let a = rt::apart(flavour.to_string(), 0, async move {
        meet(&first, 0).await;
        let clock = Clock::start();
        play(&first, 0, hops).await;
        let _ = result.set(clock.stop(2 * hops));
    });
    let b = rt::apart(flavour.to_string(), 1, player(pair, 1, hops));
    a.join().expect("thread");
    b.join().expect("thread");
    *cost.get().expect("cost")
}

/// Microseconds until another worker has one of two tasks that were spawned by a worker which is busy then.
pub async fn steal(n: usize) -> Vec<f64> {
    let mut late = Vec::new();
    for _ in 0..n {
        rt::sleep(Duration::from_millis(1)).await;
        let begin = Instant::now();
        let run = Arc::new(AtomicBool::new(false));
        let handles = [0, 1].map(|_| {
            let run = run.clone();
            rt::spawn(async move { run.store(true, Ordering::Release) })
        });
        while !run.load(Ordering::Acquire) && begin.elapsed() < Duration::from_millis(50) {
            spin_loop();
        }
        late.push(begin.elapsed().as_nanos() as f64 / 1e3);
        for handle in handles {
            rt::join(handle).await;
        }
    }
    late
}

async fn produce(to: rt::Sender<usize>, n: usize) {
    for i in 0..n {
        rt::send(&to, i).await;
    }
}

async fn consume(mut from: rt::Receiver<usize>) {
    while let Some(i) = rt::recv(&mut from).await {
        black_box(i);
    }
}

pub async fn fan_in(producers: usize, messages: usize) -> Cost {
    let each = (messages / producers).max(1);
    let (to, from) = rt::channel(128);
    let clock = Clock::start();
    for _ in 0..producers {
        rt::detach(rt::spawn(produce(to.clone(), each)));
    }
    drop(to);
    rt::join(rt::spawn(consume(from))).await;
    clock.stop(producers * each)
}

/// One producer, a queue for each consumer, in turn.
pub async fn fan_out(consumers: usize, messages: usize) -> Cost {
    let each = (messages / consumers).max(1);
    let mut queues = Vec::new();
    let mut handles = Vec::new();
    let clock = Clock::start();
    for _ in 0..consumers {
        let (to, from) = rt::channel(128);
        queues.push(to);
        handles.push(rt::spawn(consume(from)));
    }
    for i in 0..each {
        for to in &queues {
            rt::send(to, i).await;
        }
    }
    drop(queues);
    for handle in handles {
        rt::join(handle).await;
    }
    clock.stop(consumers * each)
}

pub async fn mutex(n: usize) -> Cost {
    let lock = rt::Mutex::new(0usize);
    let clock = Clock::start();
    for _ in 0..n {
        *lock.lock().await += 1;
    }
    let cost = clock.stop(n);
    black_box(*lock.lock().await);
    cost
}

/// The holder yields, so that all others are in the queue.
pub async fn mutex_contended(tasks: usize) -> Cost {
    let each = (LOCKS / tasks).max(10);
    let lock = Arc::new(rt::Mutex::new(0usize));
    let clock = Clock::start();
    let handles: Vec<_> = (0..tasks)
        .map(|_| {
            let lock = lock.clone();
            rt::spawn(async move {
                for _ in 0..each {
                    let mut held = lock.lock().await;
                    *held += 1;
                    rt::yield_now().await;
                }
            })
        })
        .collect();
    for handle in handles {
        rt::join(handle).await;
    }
    clock.stop(tasks * each)
}
