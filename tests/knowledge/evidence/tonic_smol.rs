// compat tonic smol panics: there is no reactor running
fn main() {
    let server = evidence::serve_once();
    smol::block_on(async {
        let _ = tonic::transport::Endpoint::from_shared(format!("http://{server}")).unwrap().connect().await;
    });
}
