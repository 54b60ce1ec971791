// SPDX-License-Identifier: MIT
#[path = "../../../shared/micro.rs"]
mod micro;
#[path = "../../../shared/micro_tasks.rs"]
mod micro_tasks;
#[path = "../../../shared/micro_time.rs"]
mod micro_time;
#[path = "../../../shared/options.rs"]
mod options;
#[path = "../../../shared/pin.rs"]
mod pin;
#[path = "../rt.rs"]
#[allow(dead_code, unused_imports)]
mod rt;

fn main() {
    micro::main();
}
