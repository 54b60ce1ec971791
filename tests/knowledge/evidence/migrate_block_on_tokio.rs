// migrate block-on tokio panics: Cannot start a runtime from within a runtime
#[tokio::main]
async fn main() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {});
}
