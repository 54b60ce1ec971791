// SPDX-License-Identifier: MIT
//! 50 tests, each with a runtime of its own, all at once (--test-threads 50), for HEALTHY_SECONDS (0.2).

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo_once(listener: TcpListener) {
    while let Ok((mut peer, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut buffer = [0u8; 64];
            while let Ok(n) = peer.read(&mut buffer).await {
                if n == 0 || peer.write_all(&buffer[..n]).await.is_err() {
                    return;
                }
            }
        });
    }
}

async fn talk() {
    let seconds = std::env::var("HEALTHY_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(0.2);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let to = listener.local_addr().unwrap();
    tokio::spawn(echo_once(listener));
    let mut peer = TcpStream::connect(to).await.unwrap();
    let mut buffer = [0u8; 4];
    while Instant::now() < end {
        peer.write_all(b"ping").await.unwrap();
        peer.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

macro_rules! tests {
    ($($name:ident)*) => { $(#[tokio::test] async fn $name() { talk().await })* };
}
tests! {
    t00 t01 t02 t03 t04 t05 t06 t07 t08 t09 t10 t11 t12 t13 t14 t15 t16 t17 t18 t19 t20 t21 t22 t23 t24
    t25 t26 t27 t28 t29 t30 t31 t32 t33 t34 t35 t36 t37 t38 t39 t40 t41 t42 t43 t44 t45 t46 t47 t48 t49
}
