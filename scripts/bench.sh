#!/usr/bin/env bash
# Runs the benchmarks, prints a table and merges the figures by name into $BUILD/bench.json.
#   bench.sh [--quick] [NAME...]    NAME: program or script in tests/bench without suffix; without one, all but runtimes and rust
#
# A benchmark prints one line per figure: name value unit [against against_value ratio rounds min max], with - for
# what it has not. Any other line is passed on as a remark. --quick is a smoke test: few rounds, no verdicts, own file (bench-quick.json).
set -euo pipefail
cd "$(dirname "$0")/.."
export BUILD=${BUILD:-build}
export WEFT=${WEFT:-$BUILD/weft}
json=$BUILD/bench.json
quick=()
names=()
for arg in "$@"; do
	case $arg in
	--quick) quick=(--quick); json=$BUILD/bench-quick.json ;;
	-*) echo "usage: bench.sh [--quick] [NAME...]" >&2; exit 2 ;;
	*) names+=("$arg") ;;
	esac
done
work=$(mktemp -d)
export TMPDIR=$work
trap 'rm -rf "$work"' EXIT
rows=$work/rows

all_names() {
	{
		find "$BUILD/bench" -maxdepth 1 -type f -executable ! -name load -printf '%f\n'
		find tests/bench -maxdepth 1 -name '*.sh' ! -name runtimes.sh ! -name rust.sh -executable -printf '%f\n'
	} | sed 's/\.sh$//' | sort -u
}

run_one() {
	local program=$BUILD/bench/$1 rc=0
	[ ! -x "tests/bench/$1.sh" ] || program=tests/bench/$1.sh
	if [ ! -x "$program" ]; then
		echo "bench.sh: there is no benchmark $1" >&2
		return 1
	fi
	echo "== $1" >&2
	timeout -k 5 "${WEFT_BENCH_TIMEOUT:-900}" "$program" ${quick[@]+"${quick[@]}"} > "$work/out" || rc=$?
	awk '/^[a-z][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)+ -?[0-9][0-9.e+-]* [^ ]+/ { print > "'"$rows"'"; next } { print "  " $0 }' "$work/out" >&2
	[ ! -f "$rows" ] || cat "$rows" >> "$work/all"
	rm -f "$rows"
	if [ $rc -eq 77 ]; then echo "  skipped" >&2; return 0; fi
	[ $rc -eq 0 ] || echo "bench.sh: $1 failed (exit $rc)" >&2
	return $rc
}

table() {
	awk -v quick="${quick[*]-}" '
	FNR == NR { if ($1 !~ /^#/ && NF == 4) { n[$1]++; what[$1, n[$1]] = $2; op[$1, n[$1]] = $3; bound[$1, n[$1]] = $4 } next }
	FNR == 1 { printf "%-30s %12s %-10s %-28s %8s  %-16s %s\n", "FIGURE", "VALUE", "UNIT", "AGAINST", "RATIO", "MIN..MAX", "TARGET" }
	{
		verdict = ""
		for (i = 1; i <= n[$1]; i++) {
			v = what[$1, i] == "ratio" ? $6 : $2
			if (v == "" || v == "-") continue
			met = op[$1, i] == "<=" ? v + 0 <= bound[$1, i] : v + 0 >= bound[$1, i]
			verdict = verdict sprintf("%s%s %s %s%s", i > 1 ? ", " : "", what[$1, i], op[$1, i], bound[$1, i], quick ? "" : met ? ": met" : ": MISSED")
		}
		against = $4 == "" || $4 == "-" ? "" : $4 ($5 == "" || $5 == "-" ? "" : " " $5)
		range = $8 == "" || $8 == "-" ? "" : $8 ".." $9
		printf "%-30s %12s %-10s %-28s %8s  %-16s %s\n", $1, $2, $3, against, ($6 == "-" ? "" : $6), range, verdict
	}' tests/bench/targets.txt "$1"
}

# New figures replace those of the same name; the others stay.
merge() {
	awk 'function q(s) { return s == "" || s == "-" ? "NULL" : "\x27" s "\x27" }
	function num(s) { return s == "" || s == "-" ? "NULL" : s + 0 == s ? s : "NULL" }
	{ print "INSERT INTO new VALUES(" q($1) "," num($2) "," q($3) "," q($4) "," num($5) "," num($6) "," num($7) "," num($8) "," num($9) ");" }' \
		"$1" > "$work/insert.sql"
	[ -s "$json" ] || echo '[]' > "$json"
	sqlite3 :memory: > "$work/bench.json" <<-SQL
		CREATE TABLE new(name TEXT, value, unit TEXT, against TEXT, against_value, ratio, rounds, min, max);
		.read $work/insert.sql
		CREATE TABLE merged AS SELECT name, json_object('name', name, 'value', value, 'unit', unit, 'against', against,
			'against_value', against_value, 'ratio', ratio, 'rounds', rounds, 'min', min, 'max', max) AS body FROM new
			WHERE rowid IN (SELECT max(rowid) FROM new GROUP BY name);
		INSERT INTO merged SELECT json_extract(value, '\$.name'), value FROM json_each(CAST(readfile('$json') AS TEXT))
			WHERE json_extract(value, '\$.name') NOT IN (SELECT name FROM new);
		SELECT '[' || char(10) || group_concat('  ' || body, ',' || char(10)) || char(10) || ']'
			FROM (SELECT body FROM merged ORDER BY name);
	SQL
	cp "$work/bench.json" "$json"
}

mkdir -p "$BUILD"
if [ ${#names[@]} -eq 0 ]; then mapfile -t names < <(all_names); fi
failed=0
: > "$work/all"
for name in "${names[@]}"; do run_one "$name" || failed=1; done
if [ -s "$work/all" ]; then
	merge "$work/all"
	table "$work/all"
	echo "written to $json"
fi
exit $failed
