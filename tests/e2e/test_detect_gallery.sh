#!/usr/bin/env bash
# Programs that no threshold was made with, all at once on a machine that they fill: each sick one has its finding and
# no other, the sound ones that look like trouble have none. (sick's fsync depends on the machine; not here.)
# timeout: 180
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

crowd=()
pids=
# gather PROGRAM VARIANT...
gather() {
	local program=$1 variant
	shift
	crowd=()
	for variant in "$@"; do
		workload "$program.$variant" "$program" --variant "$variant" --seconds 120
		crowd+=("$PID")
	done
	pids=$(IFS=,; echo "${crowd[*]}")
}
scatter() {
	local pid
	for pid in "${crowd[@]}"; do stop "$pid"; done
}

gather sound ramp bursts tickers yields pool sleepers log memory start
diagnose sound -p "$pids" --duration 36
equal "processes" "$(json "$TMP_E2E/sound.json" '$.targets[#-1].pid')" "${crowd[-1]}"
no_finding "$TMP_E2E/sound.json"
scatter

# found VARIANT ID NAME
found() {
	local pid
	pid=$(about "sick.$1" pid)
	[ "$(findings "$TMP_E2E/sick.json" "SELECT count(*) FROM f WHERE id = '$2' AND name = '$3' AND
		json_extract(body, '\$.subject.pid') = $pid")" = 1 ] || {
		show_findings "$TMP_E2E/sick.json"
		fail "sick --variant $1 (pid $pid): no $2 on $3"
	}
}
if [ -z "${WEFT_BREAK-}" ]; then
	gather sick join short hot long slow-leak fast-leak churn held
else
	gather sound ramp bursts tickers yields pool sleepers log memory
fi
diagnose sick -p "$pids" --duration 40
found join blocking-call gather
found short blocking-call nap
found hot busy-loop grind
found long busy-loop grind
found slow-leak task-leak stays
found fast-leak task-leak stays
found churn task-leak stays
found held task-leak kept
equal "findings" "$(findings "$TMP_E2E/sick.json" "SELECT count(*) FROM f WHERE NOT (severity = 'info' AND id = 'cpu-starved')")" 8
scatter
