// SPDX-License-Identifier: MIT
//! The same routes with hyper: what most Tokio services run. Options as for `service`.

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{header, server::conn::http1, service::service_fn, Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::net::{TcpListener, TcpStream};

#[path = "../../../shared/options.rs"]
mod options;
#[path = "../../../shared/pin.rs"]
mod pin;
#[path = "../rt.rs"]
#[allow(dead_code, unused_imports)]
mod rt;

static SERVED: AtomicU64 = AtomicU64::new(0);

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = if request.method() == Method::POST {
        request.into_body().collect().await?.to_bytes()
    } else {
        let served = SERVED.load(Relaxed);
        Bytes::from(format!("{{\"message\":\"Hello, World!\",\"served\":{served}}}"))
    };
    SERVED.fetch_add(1, Relaxed);
    let mut response = Response::new(Full::new(body));
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    Ok(response)
}

async fn serve(conn: TcpStream) {
    let service = service_fn(answer);
    let _ = http1::Builder::new().serve_connection(TokioIo::new(conn), service).await;
}

fn main() {
    let options = options::Options::read();
    let runtime = rt::start(&options.text("flavour", rt::FLAVOURS[0]), options.number("workers", 1));

    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listen");
        println!("port {}", listener.local_addr().expect("address").port());
        let accepting = rt::spawn(async move {
            loop {
                if let Ok((conn, _)) = listener.accept().await {
                    let _ = conn.set_nodelay(true);
                    rt::detach(rt::spawn(serve(conn)));
                }
            }
        });
        rt::join::<()>(accepting).await;
    });
}
