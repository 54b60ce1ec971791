#!/usr/bin/env bash
# A real HTTP service, axum as its crates are, under a load that counts: a task for each connection, a poll for each request, woken by
# its socket. Attached to and let go under load it answers every request.
# timeout: 200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust_cycles.sh"
need_root
need "$WEFT" "$BUILD/bench/load"
program=$(scripts/rust_workload.sh healthy) || skip "cargo cannot build the Rust workload: no cargo, or no network"

# serve NAME ARGS...: sets SERVICE, PORT
serve() {
	start "$1" "$program" "${@:2}" http
	SERVICE=$PID
	must 10 "the service is up" says "$TMP_E2E/$1.out" '^ready'
	PORT=$(about "$1" port)
}
# load NAME ARGS...: sets LOAD
load() {
	start "$1.load" "$BUILD/bench/load" --http --path /orders/7 --port "$PORT" --warmup 0 "${@:2}"
	LOAD=$PID
}
figure() { sed -n "s/^$2 //p" "$TMP_E2E/$1.load.out"; }
# of KIND [CONDITION]: such events of tasks that were spawned meanwhile
of() {
	sql "$DB" "SELECT count(*) FROM events WHERE kind = '$1' AND task IN (SELECT task FROM events WHERE kind = 'task-spawn') AND ${2:-1}"
}
all_over() { [ "$(of task-end "reason = 'done'")" = "$connections" ]; }

# counted NAME ARGS...: the service with these, from before its first request to its end.
counted() {
	local name=$1 recorder connections requests polls
	serve "$@"
	record "$name" -p "$SERVICE" --level normal
	recorder=$PID
	load "$name" --connections 16 --per-connection 50 --requests 20000
	join "$LOAD" 60
	equal "exit code of the load on $name" "$STATUS" 0
	requests=$(figure "$name" requests) connections=$((16 + $(figure "$name" reconnects)))
	holds "requests to $name" "$requests >= 20000 AND $connections > 300"
	must 10 "$connections connections of $name are over" all_over
	stop "$SERVICE"
	equal "exit code of $name" "$STATUS" 0
	join "$recorder" 20
	clean_file "$DB"
	accounting_is_exact "$DB"
	equal "lost of $name" "$(sql "$DB" 'SELECT sum(lost) FROM accounting')" 0
	equal "connections of $name" "$(of task-spawn) $(of task-end)" "$connections $connections"
	equal "where $name spawns" "$(sql "$DB" "SELECT DISTINCT name, file LIKE '%/axum-0.7.%/src/serve.rs' FROM events e JOIN location l ON l.site = e.b
		WHERE e.kind = 'task-spawn'")" 'axum::serve::Serve::into_future::{async block},1'
	# A request comes when the answer to the one before has gone; then there are the first look, and that at the end. Each but the first is due to a wake.
	polls=$(of task-poll)
	holds "polls for $requests requests to $name by $connections connections: $polls" "$polls BETWEEN $requests AND $requests + 3 * $connections"
	holds "of them woken by the socket" "$(of task-wake "waker_kind = 'io'") BETWEEN $polls - $connections AND $polls"
}
counted mt
counted ct --current-thread

cycles=${CYCLES:-4}
serve often
text_of "$SERVICE" "$TMP_E2E/before"
load often --connections 32 --rate 3000 --per-connection 100 --seconds $((6 + cycles))
cycles often "$cycles" "$SERVICE"
join "$LOAD" $((60 + cycles))
equal "exit code of the load" "$STATUS" 0
equal "requests that went wrong" "$(figure often bad)" 0
holds "requests that were answered: $(figure often requests)" "$(figure often requests) > 1000 * (6 + $cycles)"
stop "$SERVICE"
equal "exit code after $cycles times attached" "$STATUS" 0
