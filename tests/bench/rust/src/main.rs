// SPDX-License-Identifier: MIT
//! The service of `make bench-rust`: hyper on Tokio, as its author would ship it (LTO, stripped), with nothing of Weft in it.
//! With the feature `console` also with tokio-console's subscriber, which Weft is compared with. Prints "ready PORT".

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = format!("{{\"path\": \"{}\", \"status\": \"ok\"}}\n", request.uri().path());
    Ok(Response::builder()
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))
        .expect("a response"))
}

async fn connection(peer: TcpStream) {
    let _ = peer.set_nodelay(true);
    let _ = http1::Builder::new().serve_connection(TokioIo::new(peer), service_fn(answer)).await;
}

async fn serve() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    println!("ready {}", listener.local_addr().expect("an address").port());
    while let Ok((peer, _)) = listener.accept().await {
        tokio::spawn(connection(peer));
    }
}

fn main() {
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    #[cfg(feature = "console")]
    let _guard = rt.enter();
    #[cfg(feature = "console")]
    console_subscriber::ConsoleLayer::builder().server_addr(([127, 0, 0, 1], 0)).init();
    rt.block_on(async { tokio::spawn(serve()).await.expect("serves") });
}
