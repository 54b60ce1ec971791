// SPDX-License-Identifier: MIT
//! tests/workloads/mixed with async-std in place of smol.

#[path = "../../mixed/src/program.rs"]
mod program;
mod rt;

fn main() {
    program::main()
}
