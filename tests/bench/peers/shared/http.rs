// SPDX-License-Identifier: MIT
//! The request handling of runtime/examples/http_echo.c, byte for byte.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static SERVED: AtomicU64 = AtomicU64::new(0);

pub struct Http {
    pub input: [u8; 2048],
    pub used: usize,
    pub reply: [u8; 2304],
    pub ready: usize,
    pub close: bool,
}

fn put(to: &mut [u8], at: usize, from: &[u8]) -> usize {
    to[at..at + from.len()].copy_from_slice(from);
    at + from.len()
}

fn put_number(to: &mut [u8], at: usize, mut v: u64) -> usize {
    let mut digits = [0u8; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (v % 10) as u8;
        v /= 10;
        if v == 0 {
            return put(to, at, &digits[first..]);
        }
    }
}

/// After the empty line.
fn head_end(text: &[u8]) -> Option<usize> {
    text.windows(4).position(|w| w[3] == b'\n' && w == b"\r\n\r\n").map(|at| at + 4)
}

/// From the blanks before it to the end of its line.
fn number(text: &[u8]) -> Option<usize> {
    let blanks = text.iter().position(|&c| c != b' ' && c != b'\t')?;
    let text = &text[blanks..];
    let digits = text.iter().position(|c| !c.is_ascii_digit())?;
    if digits == 0 || digits > 7 || text[digits] != b'\r' {
        return None;
    }
    Some(text[..digits].iter().fold(0, |n, c| n * 10 + (c - b'0') as usize))
}

/// The header's number, 0 without it, None if it makes no sense or there is a 0 byte.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    for (i, &c) in head.iter().enumerate() {
        if c == 0 {
            return None;
        }
        if c == b'\n' && i + NAME.len() < head.len() && head[i + 1] | 0x20 == NAME[0] {
            let name = &head[i + 1..i + 1 + NAME.len()];
            if name.eq_ignore_ascii_case(NAME) {
                return number(&head[i + 1 + NAME.len()..]);
            }
        }
    }
    Some(0)
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
        let to = &mut self.reply;
        let mut at = put(to, self.ready, b"HTTP/1.1 ");
        at = put(to, at, status.as_bytes());
        at = put(to, at, b"\r\nContent-Type: application/json\r\nContent-Length: ");
        at = put_number(to, at, body.len() as u64);
        at = put(to, at, b"\r\n\r\n");
        self.ready = put(to, at, body);
        self.close |= !status.starts_with('2');
        SERVED.fetch_add(1, Relaxed);
        true
    }

    fn answer_json(&mut self) -> bool {
        let mut json = [0u8; 64];
        let mut n = put(&mut json, 0, b"{\"message\":\"Hello, World!\",\"served\":");
        n = put_number(&mut json, n, SERVED.load(Relaxed));
        n = put(&mut json, n, b"}");
        self.answer("200 OK", &json[..n])
    }

    /// Answers the first request. False: not complete, or no room for the reply.
    pub fn request(&mut self) -> bool {
        let Some(head) = head_end(&self.input[..self.used]) else {
            return self.used == self.input.len() && self.answer("413 Payload Too Large", b"");
        };
        let text = &self.input[..head];
        let Some(body) = content_length(text) else {
            return self.answer("400 Bad Request", b"");
        };
        if !(text.starts_with(b"GET ") || text.starts_with(b"POST ")) {
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
            self.answer_json()
        };
        if done {
            self.input.copy_within(head + body..self.used, 0);
            self.used -= head + body;
        }
        done
    }
}
