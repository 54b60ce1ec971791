// SPDX-License-Identifier: MIT
//! service --flavour F --workers N --mode http|echo|proxy|hello [--buffer 64|1024] [--to PORT]
//! Prints "port N". hello ends at once after that: what a start costs.

use crate::http::Http;
use crate::options::Options;
use crate::rt::{self, AsyncReadExt, AsyncWriteExt, TcpListener, TcpStream};
use std::time::Duration;

async fn http(mut conn: TcpStream) {
    let mut f = Http::new();
    while !f.close {
        while !f.close && f.used > 0 && f.request() {}
        if f.ready > 0 {
            if conn.write_all(&f.reply[..f.ready]).await.is_err() {
                return;
            }
            f.ready = 0;
            continue;
        }
        match conn.read(&mut f.input[f.used..]).await {
            Ok(n) if n > 0 => f.used += n,
            _ => return,
        }
    }
}

async fn echo<const N: usize>(mut conn: TcpStream) {
    let mut buf = [0u8; N];
    loop {
        match conn.read(&mut buf).await {
            Ok(n) if n > 0 => {
                if conn.write_all(&buf[..n]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

async fn proxy(client: TcpStream, to: u16) {
    if let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await {
        let _ = server.set_nodelay(true);
        rt::copy_both(client, server).await;
    }
}

async fn accept_loop(listener: TcpListener, mode: String, buffer: usize, to: u16) {
    loop {
        let Ok((conn, _)) = listener.accept().await else {
            rt::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let _ = conn.set_nodelay(true);
        match (mode.as_str(), buffer) {
            ("http", _) => rt::detach(rt::spawn(http(conn))),
            ("proxy", _) => rt::detach(rt::spawn(proxy(conn, to))),
            (_, 64) => rt::detach(rt::spawn(echo::<64>(conn))),
            _ => rt::detach(rt::spawn(echo::<1024>(conn))),
        }
    }
}

pub fn main() {
    let options = Options::read();
    let mode = options.text("mode", "echo");
    let buffer = options.number("buffer", 1024);
    let to = options.number("to", 0) as u16;
    let runtime = rt::start(&options.text("flavour", rt::FLAVOURS[0]), options.number("workers", 1));

    runtime.block_on(async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listen");
        println!("port {}", listener.local_addr().expect("address").port());
        if mode != "hello" {
            rt::join(rt::spawn(accept_loop(listener, mode, buffer, to))).await;
        }
    });
}
