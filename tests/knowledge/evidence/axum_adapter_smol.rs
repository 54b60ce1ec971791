// compat axum smol runs: its Router under smol-hyper answers
use tower_service::Service;

fn main() {
    smol::block_on(async {
        let listener = smol::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = evidence::get(listener.local_addr().unwrap());
        let app = axum::Router::new().route("/", axum::routing::get(|| async { "hello" }));
        let (conn, _) = listener.accept().await.unwrap();
        let service = hyper::service::service_fn(move |r| app.clone().call(r));
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(smol_hyper::rt::FuturesIo::new(conn), service)
            .await;
        assert!(client.join().unwrap().ends_with("hello"));
    });
}
