// SPDX-License-Identifier: MIT
//! The request handling of runtime/examples/http_echo.c, byte for byte.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SERVED: AtomicU64 = AtomicU64::new(0);

pub struct Http {
    pub input: [u8; 2048],
    pub used: usize,
    pub reply: [u8; 2304],
    pub ready: usize,
    pub close: bool,
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what)
}

/// The header's number, 0 without it, None if it makes no sense.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length:";
    let Some(at) = head.windows(NAME.len()).position(|w| w.eq_ignore_ascii_case(NAME)) else {
        return Some(0);
    };
    let rest = &head[at + NAME.len()..];
    let end = rest.iter().position(|&c| c == b'\r')?;
    std::str::from_utf8(&rest[..end]).ok()?.trim_start().parse().ok()
}

impl Http {
    pub fn new() -> Self {
        Http { input: [0; 2048], used: 0, reply: [0; 2304], ready: 0, close: false }
    }

    /// False: no room for a whole reply, write first.
    fn answer(&mut self, status: &str, body: &[u8]) -> bool {
        if self.ready > 0 && self.ready + body.len() + 128 > self.reply.len() {
            return false;
        }
        let mut to = &mut self.reply[self.ready..];
        let room = to.len();
        let _ = write!(
            to,
            "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            status,
            body.len()
        );
        let _ = to.write_all(body);
        self.ready += room - to.len();
        self.close |= !status.starts_with('2');
        SERVED.fetch_add(1, Relaxed);
        true
    }

    /// Answers the first request. False: not complete, or no room for the reply.
    pub fn request(&mut self) -> bool {
        let Some(end) = find(&self.input[..self.used], b"\r\n\r\n") else {
            return self.used == self.input.len() && self.answer("413 Payload Too Large", b"");
        };
        let head = end + 4;
        let text = &self.input[..head];
        let Some(body) = content_length(&text[..end + 2]) else {
            return self.answer("400 Bad Request", b"");
        };
        if text.contains(&0) || !(text.starts_with(b"GET ") || text.starts_with(b"POST ")) {
            return self.answer("400 Bad Request", b"");
        }
        if head + body > self.input.len() {
            return self.answer("413 Payload Too Large", b"");
        }
        if head + body > self.used {
            return false;
        }
        let done = if text[0] == b'P' {
            let mut copy = [0u8; 2048];
            copy[..body].copy_from_slice(&self.input[head..head + body]);
            self.answer("200 OK", &copy[..body])
        } else {
            let mut json = [0u8; 64];
            let mut to = &mut json[..];
            let _ = write!(
                to,
                "{{\"message\":\"Hello, World!\",\"served\":{}}}",
                SERVED.load(Relaxed)
            );
            let n = 64 - to.len();
            self.answer("200 OK", &json[..n])
        };
        if done {
            self.input.copy_within(head + body..self.used, 0);
            self.used -= head + body;
        }
        done
    }
}
