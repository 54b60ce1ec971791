# SPDX-License-Identifier: MIT
# Reads the samples (label, metric, round, value) and answers for tables.awk and rows.awk. NONE = never measured.

BEGIN {
	NONE = -1
	n_ours = split(ours, our, " ")
	n_theirs = split(theirs, their, " ")
	n_all = split(all, every, " ")
	n = split(pairs, pair, " ")
	for (i = 1; i <= n; i++) { split(pair[i], side, "="); namesake[side[1]] = side[2] }
}
NF == 4 {
	key = $1 SUBSEP $2
	if (!(key in count)) count[key] = 0
	taken[key, ++count[key]] = $4
	by_round[key, $3] = $4
	if ($3 + 1 > last_round) last_round = $3 + 1
}

function median_of(list, n,   i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && list[j - 1] + 0 > list[j] + 0; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
	if (!n) return NONE
	return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2
}

function med(label, metric,   list, i, key) {
	key = label SUBSEP metric
	if (!(key in count)) return NONE
	for (i = 1; i <= count[key]; i++) list[i] = taken[key, i]
	return median_of(list, count[key])
}

# For what is sampled: one round holds few samples, most of all where only the ticks of the kernel are to be had.
function mean(label, metric,   i, sum, key) {
	key = label SUBSEP metric
	if (!(key in count)) return NONE
	for (i = 1; i <= count[key]; i++) sum += taken[key, i]
	return sum / count[key]
}

function value(label, metric, way) { return way == "mean" ? mean(label, metric) : med(label, metric) }

# Label with the least (sign 1) or most (sign -1) of a metric; "" = nobody has it.
function best(labels, metric, sign, way,   list, n, i, v, least, who) {
	n = split(labels, list, " ")
	for (i = 1; i <= n; i++) {
		v = value(list[i], metric, way)
		if (v != NONE && (who == "" || sign * v < sign * least)) { least = v; who = list[i] }
	}
	return who
}

# Sets R["n"], R["ratio"], R["min"], R["max"] over the rounds that both have.
function ratios(a, metric_a, b, metric_b,   i, list, n, x, y) {
	R["n"] = 0
	for (i = 0; i < last_round; i++) {
		if (!((a, metric_a, i) in by_round) || !((b, metric_b, i) in by_round)) continue
		x = by_round[a, metric_a, i]; y = by_round[b, metric_b, i]
		if (y + 0 == 0) continue
		list[++n] = x / y
		if (n == 1 || x / y < R["min"]) R["min"] = x / y
		if (n == 1 || x / y > R["max"]) R["max"] = x / y
	}
	R["n"] = n + 0
	R["ratio"] = median_of(list, n)
}
