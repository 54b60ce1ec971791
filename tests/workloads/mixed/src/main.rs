// SPDX-License-Identifier: MIT
//! Tokio and smol in one program.

mod program;
mod rt;

fn main() {
    program::main()
}
