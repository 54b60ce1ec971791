// SPDX-License-Identifier: MIT
#[path = "../../../shared/http.rs"]
mod http;
#[path = "../../../shared/options.rs"]
mod options;
#[path = "../../../shared/pin.rs"]
mod pin;
#[path = "../rt.rs"]
#[allow(dead_code, unused_imports)]
mod rt;
#[path = "../../../shared/service.rs"]
mod service;

fn main() {
    service::main();
}
