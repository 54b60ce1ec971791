// SPDX-License-Identifier: MIT
//! An axum service for a load from outside, and blocking clients of such a service where they belong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Path, State};
use axum::routing::get;
use axum::Router;
use tokio::net::TcpListener;

use crate::{ready, the_end};

type Orders = Arc<Mutex<HashMap<u64, u64>>>;

async fn order(State(orders): State<Orders>, Path(id): Path<u64>) -> String {
    let times = {
        let mut orders = orders.lock().expect("no panic under it");
        let times = orders.entry(id % 1000).or_insert(0);
        *times += 1;
        *times
    };
    format!("{{\"order\": {id}, \"seen\": {times}}}")
}

/// Serves on any port, which is returned.
async fn serve() -> u16 {
    let app = Router::new().route("/orders/:id", get(order)).with_state(Orders::default());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app.into_make_service()).await });
    port
}

pub async fn http(seconds: f64) {
    ready(Some(serve().await));
    the_end(seconds).await;
}

#[cfg(feature = "web")]
pub mod clients {
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::time::Duration;

    use super::{ready, serve, the_end};

    static OVER: AtomicBool = AtomicBool::new(false);

    fn ask(url: &str, times: usize) -> reqwest::Result<usize> {
        let client = reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build()?;
        let mut bytes = 0;
        for _ in 0..times {
            bytes += client.get(url).send()?.bytes()?.len();
            std::thread::sleep(Duration::from_millis(2));
            if OVER.load(Relaxed) {
                break;
            }
        }
        Ok(bytes)
    }

    /// Each blocking client brings a thread with a current-thread runtime of its own.
    pub async fn reqwest(seconds: f64) {
        let url = format!("http://127.0.0.1:{}/orders/7", serve().await);
        for _ in 0..3 {
            let url = url.clone();
            tokio::spawn(async move {
                loop {
                    let url = url.clone();
                    let _ = tokio::task::spawn_blocking(move || ask(&url, 200)).await;
                }
            });
        }
        let own = std::thread::spawn(move || {
            while !OVER.load(Relaxed) {
                let _ = ask(&url, 1000);
            }
        });
        crate::tasks::tickers(20, Duration::from_millis(5));
        ready(None);
        the_end(seconds).await;
        OVER.store(true, Relaxed);
        let _ = tokio::task::spawn_blocking(|| own.join()).await;
    }
}
