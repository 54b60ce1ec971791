// SPDX-License-Identifier: MIT
//! Load modes: an echo server and a small HTTP/1.1 one, a task per connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::behaviours::{SERVICE_ACCEPT, SERVICE_CONNECTION};
use crate::spawn::spawn;

const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{\"status\": \"ok\"}\n";

async fn echo_one(mut peer: TcpStream) {
    let mut buffer = [0u8; 4096];
    while let Ok(n) = peer.read(&mut buffer).await {
        if n == 0 || peer.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
}

async fn http_one(mut peer: TcpStream) {
    let mut buffer = [0u8; 4096];
    let mut filled = 0;
    loop {
        match peer.read(&mut buffer[filled..]).await {
            Ok(n) if n > 0 => filled += n,
            _ => return,
        }
        while let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") {
            buffer.copy_within(end + 4..filled, 0);
            filled -= end + 4;
            if peer.write_all(ANSWER).await.is_err() {
                return;
            }
        }
        if filled == buffer.len() {
            return;
        }
    }
}

async fn accept_all(listener: TcpListener, http: bool) {
    while let Ok((peer, _)) = listener.accept().await {
        let _ = peer.set_nodelay(true);
        if http {
            spawn(&SERVICE_CONNECTION, http_one(peer));
        } else {
            spawn(&SERVICE_CONNECTION, echo_one(peer));
        }
    }
}

/// Returns the port.
pub async fn start(http: bool, port: u16) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    spawn(&SERVICE_ACCEPT, accept_all(listener, http));
    port
}
