// SPDX-License-Identifier: MIT
//! actix-web: a current-thread runtime on each of its workers, one more for the accepting and one for main, all by design.

use actix_web::{web, App, HttpResponse, HttpServer};

use crate::{ready, Options};

async fn order(id: web::Path<u64>) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(format!("{{\"order\": {id}, \"state\": \"paid\"}}"))
}

/// CPU work where actix wants it: in its thread pool.
async fn report() -> HttpResponse {
    let sum = web::block(|| crate::work::burn(std::time::Duration::from_millis(20))).await.unwrap_or(0);
    HttpResponse::Ok().body(format!("{sum}"))
}

pub fn run(o: &Options) {
    let (seconds, workers) = (o.seconds, o.workers);
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(|| {
            App::new().route("/orders/{id}", web::get().to(order)).route("/report", web::get().to(report))
        })
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(1)
        .bind(("127.0.0.1", 0))
        .expect("a port");
        let port = server.addrs()[0].port();
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        ready(Some(port));
        crate::the_end(seconds).await;
        handle.stop(true).await;
    });
}
