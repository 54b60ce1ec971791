#!/usr/bin/env bash
# mixed-runtimes: Tokio and smol in one program, both driving tasks, waking each other's, or one inside the other's block_on; each
# against the same work on Tokio alone. Both are named, with their versions.
# timeout: 200
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
program=$(scripts/rust_workload.sh mixed) || skip "cargo cannot build the Rust workload: no cargo, or no network"

declare -A watcher=() watched=()
# watch NAME VARIANT [--healthy]: in the background
watch() {
	local name=$1
	shift
	start "$name" "$program" --seconds 120 --variant "$@"
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	watched[$name]=$PID
	# A machine that is busy with other work is no fault of the program.
	start "$name.diagnose" "$WEFT" diagnose -p "$PID" --duration 8 --level normal --only mixed-runtimes --format json
	watcher[$name]=$PID
}
over() {
	join "${watcher[$1]}" 60
	equal "exit code of diagnose on $1" "$STATUS" "$2"
	stop "${watched[$1]}"
}
version_in_lock() { sed -n "/^name = \"$1\"\$/{n;s/^version = \"\(.*\)\"/\1/p}" tests/workloads/mixed/Cargo.lock; }

variants="cross beside nested"
for variant in $variants; do
	watch $variant $variant ${WEFT_BREAK:+--healthy}
	watch $variant.well $variant --healthy
done
for variant in $variants; do
	file=$TMP_E2E/$variant.diagnose.out
	over $variant 1
	case $variant in nested) cause='inside a task\|both drive tasks' ;; *) cause='both drive tasks' ;; esac
	findings "$file" "SELECT cause FROM f WHERE id = 'mixed-runtimes'" | grep -q "$cause" || { show_document "$file"; fail "$variant: not found, or another cause"; }
	for kind in tokio smol; do
		holds "$variant: $kind is named" "$(findings "$file" "SELECT max(instr(cause || evidence, '$kind')) FROM f") > 0"
	done
	equal "$variant: version of Tokio" "$(sqlite3 :memory: "SELECT DISTINCT json_extract(value, '\$.version') FROM
		json_each(CAST(readfile('$file') AS TEXT), '\$.target.runtimes') WHERE json_extract(value, '\$.kind') = 'tokio'")" "$(version_in_lock tokio)"
	over $variant.well 0
	no_finding "$TMP_E2E/$variant.well.diagnose.out"
done
