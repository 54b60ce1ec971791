// compat hyper async-std refused: the trait bound
fn main() {
    async_std::task::block_on(async {
        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (conn, _) = listener.accept().await.unwrap();
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(conn, hyper::service::service_fn(evidence::hello))
            .await;
    });
}
