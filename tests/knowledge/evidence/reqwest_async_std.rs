// compat reqwest async-std panics: there is no reactor running
fn main() {
    let server = evidence::serve_once();
    async_std::task::block_on(async { reqwest::get(format!("http://{server}/")).await.unwrap().text().await.unwrap() });
}
