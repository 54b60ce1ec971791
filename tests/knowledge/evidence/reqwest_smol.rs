// compat reqwest smol panics: there is no reactor running
fn main() {
    let server = evidence::serve_once();
    smol::block_on(async { reqwest::get(format!("http://{server}/")).await.unwrap().text().await.unwrap() });
}
