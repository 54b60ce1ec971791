// migrate block-on async-std runs: inside of a task, on that thread
fn main() {
    let one = async_std::task::block_on(async_std::task::spawn(async { async_std::task::block_on(async { 1 }) }));
    assert_eq!(one, 1);
}
