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
# Two tasks are never taken for one: Tokio numbers its own, those of the other are given numbers.
"$WEFT" dump -p "${watched[cross]}" --format json > "$TMP_E2E/cross.dump" || fail "weft dump: exit code $?"
equal "tasks of the two" "$(sqlite3 -separator ' ' :memory: "SELECT count(*), count(DISTINCT json_extract(value, '\$.task')) FROM json_each(CAST(readfile('$TMP_E2E/cross.dump') AS TEXT), '\$.tasks')
	WHERE json_extract(value, '\$.name') LIKE '%server::{async fn}' OR json_extract(value, '\$.name') LIKE '%client::{async fn}'")" "8 8"
# What of smol is in the file may not have its version.
smol=$(version_in_lock smol)
grep -q "/smol-$smol/" "$program" || smol=
declare -A cause=([cross]='both drive tasks, which wake each other$' [beside]='both drive tasks$' [nested]='^a worker stands still in a block_on inside a task$')
for variant in $variants; do
	file=$TMP_E2E/$variant.diagnose.out
	over $variant 1
	findings "$file" "SELECT cause FROM f WHERE id = 'mixed-runtimes'" | grep -q "${cause[$variant]}" || { show_document "$file"; fail "$variant: not found, or another cause"; }
	equal "$variant: runtimes and versions" "$(sqlite3 :memory: "SELECT group_concat(DISTINCT json_extract(value, '\$.kind') || ' ' || json_extract(value, '\$.version')) FROM
		(SELECT value FROM json_each(CAST(readfile('$file') AS TEXT), '\$.target.runtimes') ORDER BY json_extract(value, '\$.kind'))")" "smol $smol,tokio $(version_in_lock tokio)"
	for name in "tokio $(version_in_lock tokio)" "smol${smol:+ $smol}"; do
		evidence_has "$file" mixed-runtimes "$name"
	done
	over $variant.well 0
	no_finding "$TMP_E2E/$variant.well.diagnose.out"
done
# wakes BY OF: of tasks of the one by tasks of the other, in cross
wakes() { findings "$TMP_E2E/cross.diagnose.out" "SELECT max(json_extract(e.value, '\$.value')) FROM f, json_each(f.evidence) e WHERE json_extract(e.value, '\$.text') LIKE '%wakes of tasks of $1% by tasks of $2%'"; }
for pair in "tokio smol" "smol tokio"; do
	# shellcheck disable=SC2086
	holds "wakes: $pair" "$(wakes $pair) > 100"
done
evidence_has "$TMP_E2E/cross.diagnose.out" mixed-runtimes "tasks that are woken so wait for their poll: half of them up to"
holds "harm of the wakes" "$(findings "$TMP_E2E/cross.diagnose.out" "SELECT max(harm) FROM f") > 0"
holds "nothing crosses in beside" "$(findings "$TMP_E2E/beside.diagnose.out" "SELECT count(*) FROM f, json_each(f.evidence) e WHERE json_extract(e.value, '\$.unit') = 'wakes'") = 0"
evidence_has "$TMP_E2E/nested.diagnose.out" mixed-runtimes "tokio $(version_in_lock tokio) polls this task"
evidence_has "$TMP_E2E/nested.diagnose.out" mixed-runtimes "polls others of this program"
