# SPDX-License-Identifier: MIT
# The figures that have a target (../targets.txt), a line each for scripts/bench.sh.

# name unit value against against_value, and the ratio by round
function print_row(name, unit, a, metric_a, b, metric_b, way,   va, vb) {
	va = a == "" ? NONE : value(a, metric_a, way)
	if (va == NONE) return
	vb = b == "" ? NONE : value(b, metric_b, way)
	if (vb == NONE || vb == 0) {
		printf "%s %.6g %s\n", name, va, unit
		return
	}
	ratios(a, metric_a, b, metric_b)
	if (way == "mean" || R["n"] == 0) R["ratio"] = va / vb
	if (R["n"] == 0) { R["n"] = 1; R["min"] = R["max"] = R["ratio"] }
	printf "%s %.6g %s %s %.6g %.4g %d %.4g %.4g\n", name, va, unit, b, vb, R["ratio"], R["n"], R["min"], R["max"]
	remark[++n_remarks] = sprintf("  %-30s %-16s beside %s", name, a, b)
}

# Our best beside their best.
function best_row(name, unit, metric, sign, way) {
	print_row(name, unit, best(ours, metric, sign, way), metric, best(theirs, metric, sign, way), metric, way)
}

# The flavour that does worst beside the runtime it is named after.
function worst_row(name, unit, metric_a, metric_b,   i, a, b, worst, who) {
	for (i = 1; i <= n_ours; i++) {
		a = our[i]; b = namesake[a]
		if (med(a, metric_a) == NONE || med(b, metric_b) <= 0) continue
		ratios(a, metric_a, b, metric_b)
		if (R["n"] == 0) R["ratio"] = med(a, metric_a) / med(b, metric_b)
		if (who == "" || R["ratio"] > worst) { worst = R["ratio"]; who = a }
	}
	if (who != "") print_row(name, unit, who, metric_a, namesake[who], metric_b)
}

function middle(op, full) { return med(our[1], op "." full ".cpu") != NONE || med(our[1], op "." full ".wall") != NONE ? full : counted(op) }

function service_rows(mode,   w, user) {
	w = med(our[1], mode ".w" cpus ".per_s") != NONE ? cpus : 1
	user = mode ".w1.user_us_per_request"
	print_row("runtime." mode ".user_cpu", "us/request", best(ours " " rings, user, 1, "mean"), user, best(theirs, user, 1, "mean"), user, "mean")
	best_row("runtime." mode ".cpu.epoll", "us/request", mode ".w1.cpu_us_per_request", 1)
	print_row("runtime." mode ".cpu.uring", "us/request", best(rings, mode ".w1.cpu_us_per_request", 1), mode ".w1.cpu_us_per_request", best(theirs, mode ".w1.cpu_us_per_request", 1), mode ".w1.cpu_us_per_request")
	print_row("runtime." mode ".of_limit", "us/request", best(ours, mode ".w1.cpu_us_per_request", 1), mode ".w1.cpu_us_per_request", "bare", mode ".w1.cpu_us_per_request")
	best_row("runtime." mode ".throughput", "1/s", mode ".w" w ".per_s", -1)
	best_row("runtime." mode ".p99", "us", mode ".paced.p99_us", 1)
}

function timer_rows(   i, ms, op, theirs_best) {
	split("1 10 100", ms, " ")
	for (i = 1; i <= 3; i++) {
		op = "timer_" ms[i] "ms." counted("timer_" ms[i] "ms") ".p50"
		best_row("runtime.timer." ms[i] "ms.p50", "us", op, 1)
	}
	for (i = 1; i <= 2; i++) {
		op = "timer_" ms[i] "ms." counted("timer_" ms[i] "ms") ".p50"
		theirs_best = best(theirs, op, 1)
		sub(/ms\./, "ms.precise.", op)
		print_row("runtime.timer.precise." ms[i] "ms.p50", "us", best(ours, op, 1), op, theirs_best, "timer_" ms[i] "ms." counted("timer_" ms[i] "ms") ".p50")
	}
}

function operation_rows(   op, n, cross, i, traced) {
	best_row("runtime.mpsc_ns", "ns", "mpsc." middle("mpsc", 50000) ".cpu", 1)
	best_row("runtime.mutex_ns", "ns", "mutex." middle("mutex", 50000) ".cpu", 1)
	split("spawn_join yield wake", op, " ")
	split("10000 50000 1", n, " ")
	for (i = 1; i <= 3; i++) {
		n[i] = middle(op[i], n[i])
		worst_row("runtime." op[i] "_ns", "ns", op[i] "." n[i] ".cpu", op[i] "." n[i] ".cpu")
	}
	cross = "wake_cross." counted("wake_cross") ".wall"
	worst_row("runtime.wake_cross_ns", "ns", cross, cross)
	split("10000 50000 1", traced, " ")
	for (i = 1; i <= 3; i++)
		worst_row("runtime." op[i] "_traced_ns", "ns", op[i] ".traced." traced[i] ".cpu", op[i] "." n[i] ".cpu")
}

END {
	print ""
	service_rows("http")
	service_rows("echo")
	best_row("runtime.echo.bytes_per_connection", "B", "idle.echo64." (med(our[1], "idle.echo64.10000") != NONE ? 10000 : 1000), 1)
	best_row("runtime.sleeper_bytes", "B", "sleeper_bytes." (med(our[1], "sleeper_bytes.1000000") != NONE ? 1000000 : 100000), 1)
	timer_rows()
	operation_rows()
	print "Who stands in which row (best of ours beside best of theirs; spawn, yield, wake: the flavour that does worst beside its namesake):"
	for (i = 1; i <= n_remarks; i++) print remark[i]
}
