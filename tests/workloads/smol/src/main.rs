// SPDX-License-Identifier: MIT
//! The named behaviours on smol: one `Executor` that several threads drive.

mod behaviours;
mod load;
#[path = "../../tokio/src/neighbours.rs"]
mod neighbours;
mod program;
mod rt;
mod sick;
mod steady;
#[path = "../../tokio/src/truth.rs"]
mod truth;

fn main() {
    program::main()
}
