// SPDX-License-Identifier: MIT
//! `--name value` pairs, then what is left.

use std::collections::HashMap;

pub struct Options {
    named: HashMap<String, String>,
    pub rest: Vec<String>,
}

impl Options {
    pub fn read() -> Self {
        let mut all = Options { named: HashMap::new(), rest: Vec::new() };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            match arg.strip_prefix("--") {
                Some(name) => {
                    all.named.insert(name.to_string(), args.next().unwrap_or_default());
                }
                None => all.rest.push(arg),
            }
        }
        all
    }

    pub fn text(&self, name: &str, otherwise: &str) -> String {
        self.named.get(name).map_or(otherwise, |v| v).to_string()
    }

    pub fn number(&self, name: &str, otherwise: usize) -> usize {
        self.named.get(name).map_or(otherwise, |v| v.parse().expect("a number"))
    }
}
