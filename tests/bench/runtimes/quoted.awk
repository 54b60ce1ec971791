# SPDX-License-Identifier: MIT
# Figures that are often quoted for these runtimes, beside what this machine gives. They stem from other machines, so
# "agrees" allows a factor of 1.5 either way; what can be compared between machines is the order of the contenders.

function quote(who, what, quoted, measured, unit,   agrees) {
	if (measured == NONE) return
	if (!quoted_any++) printf "\n%-41s %12s %12s\n", "Often quoted", "quoted", "measured"
	agrees = measured > 0 && measured / quoted < 1.5 && quoted / measured < 1.5
	printf "  %-10s %-28s %12s %12s  %s\n", who, what, sprintf("%.10g %s", quoted, unit), sprintf("%.4g %s", measured, unit), agrees ? "agrees" : "does not"
}

function scaled_med(label, metric, factor,   v) { v = med(label, metric); return v == NONE ? v : v * factor }

function quote_http(who, per_s, p50, p99, memory,   w) {
	w = "http.w" cpus
	quote(who, "HTTP JSON, 4 cores, req/s", per_s, med(who, w ".per_s"), "")
	quote(who, "HTTP P50", p50, scaled_med(who, w ".p50_us", 0.001), "ms")
	quote(who, "HTTP P99", p99, scaled_med(who, w ".p99_us", 0.001), "ms")
	quote(who, "HTTP memory", memory, scaled_med(who, w ".rss_kib", 0.001024), "MB")
}

function quote_echo(who, per_s, p50, kb) {
	quote(who, "echo req/s", per_s, med(who, "echo.w" cpus ".per_s"), "")
	quote(who, "echo P50", p50, scaled_med(who, "echo.w" cpus ".p50_us", 0.001), "ms")
	quote(who, "echo KB per connection", kb, scaled_med(who, "idle.echo1024.10000", 0.001), "KB")
}

function quote_timer(who, a, b, c,   op) {
	op = "timer_1ms"; quote(who, "timer deviation at 1 ms", a, med(who, op "." counted(op) ".p50"), "us")
	op = "timer_10ms"; quote(who, "timer deviation at 10 ms", b, med(who, op "." counted(op) ".p50"), "us")
	op = "timer_100ms"; quote(who, "timer deviation at 100 ms", c, med(who, op "." counted(op) ".p50"), "us")
}

END {
	quote_http("tokio", 85000, 0.45, 1.8, 12)
	quote_http("tokio_ct", 42000, 0.48, 2.1, 4)
	quote_http("async_std", 72000, 0.52, 2.3, 10)
	quote_http("smol", 78000, 0.42, 1.5, 3)
	quote_echo("tokio", 120000, 0.32, 2.4)
	quote_echo("async_std", 105000, 0.38, 2.8)
	quote_echo("smol", 135000, 0.28, 1.8)
	quote_timer("tokio", 50, 20, 10)
	quote_timer("async_std", 100, 50, 20)
	quote_timer("smol", 30, 15, 8)
}
