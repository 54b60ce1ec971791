// compat tide smol threads: async-std/runti
fn main() {
    smol::block_on(evidence::tide_answers());
}
