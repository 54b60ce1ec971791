// SPDX-License-Identifier: MIT
//! The named behaviours on async-std: its one global executor.

#[path = "../../smol/src/behaviours.rs"]
mod behaviours;
#[path = "../../smol/src/load.rs"]
mod load;
#[path = "../../tokio/src/neighbours.rs"]
mod neighbours;
#[path = "../../smol/src/program.rs"]
mod program;
mod rt;
#[path = "../../smol/src/sick.rs"]
mod sick;
#[path = "../../smol/src/steady.rs"]
mod steady;
#[path = "../../tokio/src/truth.rs"]
mod truth;

fn main() {
    program::main()
}
