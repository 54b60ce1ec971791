#!/usr/bin/env bash
# Busy healthy programs, C and Tokio, and what others do to them (a full load, a stop, a debugger): nothing may be found. A part of
# `make stress-healthy`, all at once under one weft.
# timeout: 420
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$LOAD" "$EXAMPLES/http_echo" "$BUILD/tests/e2e/stop_threads"
scripts/rust_workload.sh healthy release --no-default-features > "$TMP_E2E/program" || skip "cargo cannot build the Rust workload: no cargo, or no network"

cp tests/stress/healthy.txt "$TMP_E2E/list"
[ -z "${WEFT_BREAK-}" ] || echo "ci broken c - busy_loop" >> "$TMP_E2E/list"
start stress env HEALTHY_LIST="$TMP_E2E/list" HEALTHY_SECONDS=33 HEALTHY_CARGO=--no-default-features HEALTHY_KEEP="$TMP_E2E" \
	scripts/stress_healthy.sh ci
join "$PID" 300
cat "$TMP_E2E/stress.out"
if [ "$STATUS" != 0 ]; then
	cat "$TMP_E2E/stress.err" >&2
	for report in "$TMP_E2E"/*.json; do show_findings "$report"; done
	fail "healthy programs are accused, or did not stay up: see above"
fi
equal "lines of the table" "$(grep -c ' clean\| partly' "$TMP_E2E/stress.out")" "$(grep -c '^ci ' "$TMP_E2E/list")"
