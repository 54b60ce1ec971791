# SPDX-License-Identifier: MIT
# The tables people choose a runtime by: all contenders, medians of the rounds.

function cell(v, format) { return v == NONE ? "-" : sprintf(format, v) }

# One line per label that has any of the metrics. columns: "header|metric|format|scale|way" by position.
function table(title, labels, columns, n,   list, m, i, j, c, v, line, any, head) {
	m = split(labels, list, " ")
	head = sprintf("\n%s\n  %-15s", title, "")
	for (j = 1; j <= n; j++) { split(columns[j], c, "|"); head = head sprintf("%12s", c[1]) }
	for (i = 1; i <= m; i++) {
		line = sprintf("  %-15s", list[i]); any = 0
		for (j = 1; j <= n; j++) {
			split(columns[j], c, "|")
			v = value(list[i], c[2], c[5])
			if (v != NONE) { any = 1; v *= c[4] == "" ? 1 : c[4] }
			line = line sprintf("%12s", cell(v, c[3]))
		}
		if (any && head != "") { print head; head = "" }
		if (any) print line
	}
}

function service_table(title, mode,   c, w) {
	w = cpus > 1 && med(our[1], mode ".w" cpus ".per_s") != NONE ? cpus : 1
	c[1] = "req/s|" mode ".w" w ".per_s|%.0f"
	c[2] = "P50 us|" mode ".w" w ".p50_us|%.1f"
	c[3] = "P99 us|" mode ".w" w ".p99_us|%.1f"
	c[4] = "CPU us/req|" mode ".w1.cpu_us_per_request|%.3f"
	c[5] = "user|" mode ".w1.user_us_per_request|%.3f||mean"
	c[6] = "kernel|" mode ".w1.sys_us_per_request|%.3f||mean"
	c[7] = "memory MB|" mode ".w" w ".rss_kib|%.1f|0.001024"
	c[8] = "paced P50|" mode ".paced.p50_us|%.1f"
	c[9] = "paced P99|" mode ".paced.p99_us|%.1f"
	c[10] = "paced CPU|" mode ".paced.cpu_us_per_request|%.3f"
	table(title, all, c, 10)
	if (med(our[1], mode ".w1.per_s") != NONE) printf "  (req/s, P50, P99, memory: %d worker(s), saturated; CPU per request: one worker; paced: 20,000/s)\n", w
}

function scale_table(title, labels, metric, tail, counts, format, factor,   c, n, list, i) {
	n = split(counts, list, " ")
	for (i = 1; i <= n; i++) c[i] = list[i] "|" metric "." list[i] tail "|" format "|" factor
	table(title, labels, c, n)
}

function late_table(title, op, n,   c) {
	c[1] = "p50 us|" op "." n ".p50|%.1f"
	c[2] = "p99|" op "." n ".p99|%.1f"
	c[3] = "max|" op "." n ".max|%.1f"
	table(title, ours " " theirs, c, 3)
}

# The count under which an operation was measured: quick and full runs differ in it.
function counted(op,   key, part, word) {
	for (key in count) {
		split(key, part, SUBSEP)
		split(part[2], word, ".")
		if (word[1] == op && word[2] ~ /^[0-9]+$/) return word[2]
	}
	return 0
}

function cost_tables(   c, both) {
	both = ours " " theirs
	c[1] = "lines|have.lines|%d"
	c[2] = "build s|have.build_s|%.1f"
	c[3] = "its CPU s|have.build_cpu_s|%.1f"
	c[4] = "crates|have.crates|%d"
	table("0. What it costs to have: the service of these tables (Tokio: with hyper)", "weft tokio async_std smol", c, 4)
	c[1] = "stripped B|have.bytes|%d"
	c[2] = "process ms|have.hello_ms|%.2f"
	c[3] = "start us|startup_us.1|%.0f"
	c[4] = "stop us|shutdown_us.1|%.0f"
	table("   ... its program; a process that listens and ends; starting a runtime until a task has run, stopping it", all, c, 4)
}

function timer_tables(   c, op, i, ms) {
	split("1 10 100", ms, " ")
	for (i = 1; i <= 3; i++) {
		op = "timer_" ms[i] "ms"
		late_table("3. Timer deviation at " ms[i] " ms", op, counted(op))
		if (i < 3) late_table("   ... precise timers (opt-in)", op ".precise", counted(op))
	}
	for (i = 100; i <= 10000; i *= 10) late_table("   " i " timers at once", "timers", i)
}

function operation_table(title, op, counts, tail) {
	scale_table(title, ours " " theirs, op, tail, counts, "%.1f")
}

function flow_tables(   c, both) {
	both = ours " " theirs
	c[1] = "MB/s|proxy.w1.per_s|%.0f|0.008"
	c[2] = "CPU ns/B|proxy.w1.cpu_us_per_request|%.3f|0.125"
	c[3] = "P50 us|proxy.w1.p50_us|%.1f"
	c[4] = "memory MB|proxy.w1.rss_kib|%.1f|0.001024"
	table("4. TCP proxy, both directions, one worker, 4,000 bytes at a time", both, c, 4)
	scale_table("   CPU ns per byte by connections", both, "proxy", ".cpu_us_per_request", "c4 c40 c400", "%.3f", 0.125)
	operation_table("   message queue (128), CPU ns per message, by messages", "mpsc", "5000 50000 500000", ".cpu")
	operation_table("   fan-in: so many producers, one consumer", "fan_in", "4 40 400", ".cpu")
	operation_table("   fan-out: one producer, so many consumers with a queue each", "fan_out", "4 40 400", ".cpu")
}

function operation_tables(   c) {
	operation_table("5. Spawn + join one by one, CPU ns, one worker, by count", "spawn_join", "1000 10000 100000", ".cpu")
	operation_table("   spawn + join, so many at a time", "spawn_many", "1000 10000 100000", ".cpu")
	operation_table("   yield, alone", "yield", "5000 50000 500000", ".cpu")
	operation_table("   yield, among so many tasks", "yield_many", "64 640 6400", ".cpu")
	operation_table("   wake hop on one worker, so many pairs", "wake", "1 10 100", ".cpu")
	operation_table("   mutex, uncontended", "mutex", "5000 50000 500000", ".cpu")
	operation_table("   mutex, so many tasks want it", "mutex_contended", "8 80 800", ".cpu")
	c[1] = "spawn+join|spawn_join.w2.10000.wall|%.1f"
	c[2] = "at a time|spawn_many.w2.1000.wall|%.1f"
	c[3] = "yield|yield.w2.50000.wall|%.1f"
	c[4] = "among 64|yield_many.w2.64.wall|%.1f"
	c[5] = "wake|wake.w2.1.wall|%.1f"
	c[6] = "mpsc|mpsc.w2.50000.wall|%.1f"
	table("   the same with two workers, wall ns", ours " " theirs, c, 6)
	c[1] = "hop wall ns|wake_cross." counted("wake_cross") ".wall|%.0f"
	c[2] = "its CPU ns|wake_cross." counted("wake_cross") ".cpu|%.0f"
	c[3] = "steal us|steal." counted("steal") ".p50|%.1f"
	c[4] = "p99|steal." counted("steal") ".p99|%.1f"
	table("   a hop from one thread to another; until an idle worker has stolen", ours " " theirs, c, 4)
	scale_table("   sleeping tasks: bytes each", ours " " theirs, "sleeper_bytes", "", "10000 100000 1000000", "%.1f")
	scale_table("   ... ns to spawn each and put it to sleep", ours " " theirs, "sleepers", ".cpu", "10000 100000 1000000", "%.1f")
	c[1] = "spawn+join|spawn_join.traced.10000.cpu|%.1f"
	c[2] = "yield|yield.traced.50000.cpu|%.1f"
	c[3] = "wake|wake.traced.1.cpu|%.1f"
	table("   traced at normal, CPU ns", ours, c, 3)
}

END {
	cost_tables()
	service_table("1. HTTP JSON service, 32 connections", "http")
	scale_table("   CPU us per request by connections", all, "http", ".cpu_us_per_request", "c4 c40 c400", "%.3f")
	service_table("2. TCP echo, 64 bytes, 32 connections", "echo")
	scale_table("   CPU us per request by connections", all, "echo", ".cpu_us_per_request", "c4 c40 c400", "%.3f")
	scale_table("   bytes per idle connection, 64-byte buffer, by connections", all, "idle.echo64", "", "1 100 1000 10000", "%.0f")
	scale_table("   ... 1 KiB buffer", all, "idle.echo1024", "", "1 100 1000 10000", "%.0f")
	scale_table("   ... HTTP", all, "idle.http", "", "1 100 1000 10000", "%.0f")
	timer_tables()
	flow_tables()
	operation_tables()
}
