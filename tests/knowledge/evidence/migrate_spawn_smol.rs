// migrate spawn smol runs: a dropped Task is cancelled, a panic comes to who awaits it, and to nobody else
fn main() {
    let (tx, rx) = smol::channel::bounded::<()>(1);
    drop(smol::spawn(async move {
        smol::Timer::after(std::time::Duration::from_millis(200)).await;
        tx.send(()).await.unwrap();
    }));
    assert!(smol::block_on(rx.recv()).is_err());
    let awaited = std::panic::catch_unwind(|| smol::block_on(smol::spawn(async { panic!("on purpose") })));
    assert!(awaited.is_err());
    let executor = smol::Executor::new();
    executor.spawn(async { panic!("on purpose") }).detach();
    smol::block_on(executor.run(smol::Timer::after(std::time::Duration::from_millis(200))));
}
