// migrate block-on smol runs: inside of a task, on that thread
fn main() {
    let one = smol::block_on(smol::spawn(async { smol::block_on(async { 1 }) }));
    assert_eq!(one, 1);
}
