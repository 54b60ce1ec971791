// compat tide tokio threads: async-std/runti
#[tokio::main]
async fn main() {
    evidence::tide_answers().await;
}
