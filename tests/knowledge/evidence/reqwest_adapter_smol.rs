// compat reqwest smol runs: inside of async-compat it gets its answer
fn main() {
    let server = evidence::serve_once();
    let text = smol::block_on(async_compat::Compat::new(async {
        reqwest::get(format!("http://{server}/")).await.unwrap().text().await.unwrap()
    }));
    assert_eq!(text, "hello");
}
