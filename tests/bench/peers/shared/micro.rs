// SPDX-License-Identifier: MIT
//! micro --flavour F --workers N OP:COUNT...
//! One line per operation: "cost OP COUNT wall_ns cpu_ns" (per operation, medians of batches; CPU of the whole
//! process), "late OP COUNT p50_us p99_us max_us", or "value NAME COUNT number".
//! The same operations, counts and lines as tests/bench/runtimes/micro.

use crate::options::Options;
use crate::rt::{self, Runtime};
use crate::{micro_tasks as tasks, micro_time as time};
use std::future::Future;
use std::time::Instant;

const BATCHES: usize = 5;

#[repr(C)]
struct Timespec {
    s: i64,
    ns: i64,
}

extern "C" {
    fn clock_gettime(clock: i32, ret: *mut Timespec) -> i32;
}

fn cpu_ns() -> f64 {
    const CLOCK_PROCESS_CPUTIME_ID: i32 = 2;
    let mut ts = Timespec { s: 0, ns: 0 };
    // SAFETY: ts is valid for the call.
    unsafe { clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &mut ts) };
    ts.s as f64 * 1e9 + ts.ns as f64
}

pub struct Clock {
    wall: Instant,
    cpu: f64,
}

/// ns per operation
#[derive(Clone, Copy)]
pub struct Cost {
    pub wall: f64,
    pub cpu: f64,
}

impl Clock {
    pub fn start() -> Self {
        Clock { cpu: cpu_ns(), wall: Instant::now() }
    }

    pub fn stop(&self, operations: usize) -> Cost {
        let n = operations as f64;
        Cost { wall: self.wall.elapsed().as_nanos() as f64 / n, cpu: (cpu_ns() - self.cpu) / n }
    }
}

pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let at = (sorted.len() as f64 * share) as usize;
    sorted[at.min(sorted.len() - 1)]
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5)
}

pub fn report_late(op: &str, n: usize, mut us: Vec<f64>) {
    us.sort_by(f64::total_cmp);
    let (p50, p99) = (quantile(&us, 0.5), quantile(&us, 0.99));
    println!("late {op} {n} {p50:.1} {p99:.1} {:.1}", us[us.len() - 1]);
}

fn report_cost(op: &str, n: usize, costs: &[Cost]) {
    let wall = median(costs.iter().map(|c| c.wall).collect());
    let cpu = median(costs.iter().map(|c| c.cpu).collect());
    println!("cost {op} {n} {wall:.1} {cpu:.1}");
}

/// Runs f as a task of its own and gives its result.
pub fn on<F>(runtime: &Runtime, f: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime.block_on(async move { rt::join(rt::spawn(f)).await })
}

fn batches<M, F>(runtime: &Runtime, op: &str, n: usize, make: M)
where
    M: Fn() -> F,
    F: Future<Output = Cost> + Send + 'static,
{
    let costs: Vec<Cost> = (0..BATCHES).map(|_| on(runtime, make())).collect();
    report_cost(op, n, &costs);
}

fn startup(flavour: &str, workers: usize) {
    let begin = Instant::now();
    let runtime = rt::start(flavour, workers);
    on(&runtime, async {});
    println!("value startup_us 1 {:.1}", begin.elapsed().as_nanos() as f64 / 1e3);
    let begin = Instant::now();
    drop(runtime);
    println!("value shutdown_us 1 {:.1}", begin.elapsed().as_nanos() as f64 / 1e3);
}

fn run(runtime: &Runtime, flavour: &str, op: &str, n: usize) {
    match op {
        "spawn_join" => batches(runtime, op, n, || tasks::spawn_join(n)),
        "spawn_many" => batches(runtime, op, n, || tasks::spawn_many(n)),
        "yield" => batches(runtime, op, n, || tasks::yield_alone(n)),
        "yield_many" => batches(runtime, op, n, || tasks::yield_many(n)),
        "wake" => batches(runtime, op, n, || tasks::wake(n)),
        "wake_cross" => {
            let costs: Vec<Cost> = (0..BATCHES).map(|_| tasks::wake_cross(flavour, n)).collect();
            report_cost(op, n, &costs);
        }
        "steal" => report_late(op, n, on(runtime, tasks::steal(n))),
        "mpsc" => batches(runtime, op, n, || tasks::fan_in(1, n)),
        "fan_in" => batches(runtime, op, n, || tasks::fan_in(n, 100_000)),
        "fan_out" => batches(runtime, op, n, || tasks::fan_out(n, 100_000)),
        "mutex" => batches(runtime, op, n, || tasks::mutex(n)),
        "mutex_contended" => batches(runtime, op, n, || tasks::mutex_contended(n)),
        "timer_1ms" => report_late(op, n, on(runtime, time::one_by_one(1, n))),
        "timer_10ms" => report_late(op, n, on(runtime, time::one_by_one(10, n))),
        "timer_100ms" => report_late(op, n, on(runtime, time::one_by_one(100, n))),
        "timers" => report_late(op, n, on(runtime, time::at_once(n))),
        "sleepers" => {
            let (bytes, cost) = on(runtime, time::sleepers(n));
            println!("value sleeper_bytes {n} {bytes:.1}");
            report_cost(op, n, &[cost]);
        }
        _ => panic!("no operation {op}"),
    }
}

pub fn main() {
    let options = Options::read();
    let flavour = options.text("flavour", rt::FLAVOURS[0]);
    let workers = options.number("workers", 1);
    if options.rest[0] == "startup" {
        return startup(&flavour, workers);
    }
    let runtime = rt::start(&flavour, workers);
    for word in &options.rest {
        let (op, n) = word.split_once(':').expect("OP:COUNT");
        run(&runtime, &flavour, op, n.parse().expect("a count"));
    }
    std::process::exit(0); // what sleeps is not ended one by one
}
