// migrate spawn tokio runs: a dropped handle detaches, a panic is an Err
#[tokio::main]
async fn main() {
    let (tx, rx) = tokio::sync::oneshot::channel();
    drop(tokio::spawn(async move {
        tokio::task::yield_now().await;
        tx.send(1).unwrap();
    }));
    assert_eq!(rx.await.unwrap(), 1);
    assert!(tokio::spawn(async { panic!("on purpose") }).await.unwrap_err().is_panic());
}
