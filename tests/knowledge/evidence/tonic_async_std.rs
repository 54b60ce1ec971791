// compat tonic async-std panics: there is no reactor running
fn main() {
    let server = evidence::serve_once();
    async_std::task::block_on(async {
        let _ = tonic::transport::Endpoint::from_shared(format!("http://{server}")).unwrap().connect().await;
    });
}
