// SPDX-License-Identifier: MIT
//! A thousand task types: which one of the thousands they are the crate's version says, so that one source makes five crates, each of
//! which a compiler can hold in memory.
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The number is in the code of its poll, so no two are the same. By hand, and on a runtime of one kind: both save the compiler half.
struct OneOfMany<const N: u64>;

impl<const N: u64> Future for OneOfMany<N> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        black_box(N);
        Poll::Pending
    }
}

const BASE: u64 = (env!("CARGO_PKG_VERSION_MAJOR").as_bytes()[0] - b'0') as u64 * 1000;

macro_rules! ten {
    ($n:expr) => {
        tokio::spawn(OneOfMany::<{ BASE + $n }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 1 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 2 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 3 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 4 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 5 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 6 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 7 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 8 }>);
        tokio::spawn(OneOfMany::<{ BASE + $n + 9 }>);
    };
}

/// A function of its own for each hundred, or one of them all would take the compiler long.
macro_rules! hundreds {
    ($($n:expr)*) => { $(
        let spawn = || {
            ten!($n);
            ten!($n + 10);
            ten!($n + 20);
            ten!($n + 30);
            ten!($n + 40);
            ten!($n + 50);
            ten!($n + 60);
            ten!($n + 70);
            ten!($n + 80);
            ten!($n + 90);
        };
        spawn();
    )* };
}

/// In a runtime: a task of each.
pub fn spawn_all() {
    hundreds!(0 100 200 300 400 500 600 700 800 900);
}
