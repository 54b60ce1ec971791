#!/usr/bin/env bash
# `weft diagnose -- cargo test` names the tests that hang, which run in a grandchild, ends them, and accuses none that only takes its time.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
scripts/rust_workload.sh hangs dev --tests > "$TMP_E2E/program" || skip "cargo cannot build the Rust workload: no cargo, or no network"
export CARGO_TARGET_DIR=$BUILD/cargo/hangs PATH=$PATH:$HOME/.cargo/bin
from=$CARGO_TARGET_DIR/source/hangs # with the lock file for an old compiler
[ -d "$from" ] || from=$PWD/tests/workloads/hangs
cd "$TMP_E2E" # logs of commands go there

# diagnose_tests NAME PATTERN: sets PID
diagnose_tests() {
	start "$1" "$WEFT" diagnose --duration 15 --format json -- cargo test --locked --manifest-path "$from/Cargo.toml" --lib "$2" -- --test-threads 4
}
# Programs of this workload that run now, as the tests of it do.
left() {
	local at
	for at in /proc/[0-9]*; do
		case $(readlink "$at/exe") in "$CARGO_TARGET_DIR"/*) running "${at#/proc/}" && echo "${at#/proc/}" ;; esac
	done 2> /dev/null || :
}

sick=hangs::
[ -z "${WEFT_BREAK-}" ] || sick=fine::
diagnose_tests sick "$sick"
sick_pid=$PID
diagnose_tests well fine::
well_pid=$PID

join "$sick_pid" 60
[ "$STATUS" = 1 ] || { show_document "$TMP_E2E/sick.out"; cat "$TMP_E2E"/weft-cargo-*.log "$TMP_E2E/sick.err"; fail "exit code of diagnose: $STATUS, should be 1"; }
equal "findings" "$(findings "$TMP_E2E/sick.out" "SELECT group_concat(DISTINCT id || ' ' || kind) FROM (SELECT * FROM f ORDER BY id)")" \
	"blocking-call task,never-runs thread"
equal "tests that hang" "$(findings "$TMP_E2E/sick.out" "SELECT group_concat(name, ' ') FROM (SELECT name FROM f WHERE id = 'never-runs' ORDER BY name)")" \
	"hangs::locks_twice hangs::waits_for_a_message hangs::waits_for_a_task"
line=$(grep -n 'async fn locks_twice' "$from/src/lib.rs" | cut -d: -f1)
equal "place of the test" "$(findings "$TMP_E2E/sick.out" "SELECT location FROM f WHERE name = 'hangs::locks_twice'")" "src/lib.rs:$line"
equal "what blocks in it: its task" "$(findings "$TMP_E2E/sick.out" "SELECT name FROM f WHERE id = 'blocking-call'")" \
	"workload_hangs::hangs::locks_twice::{async block}"
stack_has "$TMP_E2E/sick.out" never-runs 'locks_twice::{{closure}}'

join "$well_pid" 60
show_findings "$TMP_E2E/well.out"
equal "findings among tests that end" "$(findings "$TMP_E2E/well.out" "SELECT count(*) FROM f")" 0
equal "exit code of diagnose: all can't be checked without optimisation" "$STATUS" 3
none_left() { [ -z "$(left)" ]; }
must 5 "no test program is left" none_left
