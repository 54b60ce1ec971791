// compat actix-web async-std panics: Actix or Tokio runtime not found
fn main() {
    async_std::task::block_on(async {
        let server = actix_web::HttpServer::new(actix_web::App::new).workers(1).bind("127.0.0.1:0").unwrap();
        server.run().await.unwrap();
    });
}
