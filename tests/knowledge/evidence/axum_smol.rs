// compat axum smol panics: there is no reactor running
fn main() {
    smol::block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        axum::serve(listener, axum::Router::new()).await.unwrap();
    });
}
