// compat actix-web smol panics: Actix or Tokio runtime not found
fn main() {
    smol::block_on(async {
        let server = actix_web::HttpServer::new(actix_web::App::new).workers(1).bind("127.0.0.1:0").unwrap();
        server.run().await.unwrap();
    });
}
