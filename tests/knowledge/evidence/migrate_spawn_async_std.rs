// migrate spawn async-std runs: a dropped handle detaches, a panic comes to who awaits it, and to nobody else
fn main() {
    let (tx, rx) = async_std::channel::bounded(1);
    drop(async_std::task::spawn(async move {
        async_std::task::yield_now().await;
        tx.send(1).await.unwrap();
        panic!("on purpose");
    }));
    assert_eq!(async_std::task::block_on(rx.recv()).unwrap(), 1);
    std::thread::sleep(std::time::Duration::from_millis(200));
    let handle = async_std::task::spawn(async { panic!("on purpose") });
    assert!(std::panic::catch_unwind(|| async_std::task::block_on(handle)).is_err());
}
