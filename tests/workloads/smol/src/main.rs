// SPDX-License-Identifier: MIT
//! The named behaviours on smol: one `Executor` that several threads drive.

mod behaviours;
mod program;
mod rt;
mod sick;
#[path = "../../tokio/src/truth.rs"]
mod truth;

fn main() {
    program::main()
}
