#!/usr/bin/env bash
# The demo: weft diagnose names the three planted troubles with the right task, place and stack, and nothing else; on
# the healthy twin it finds nothing in 60 s under full load.
# timeout: 200
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$EXAMPLES/demo_service" "$LOAD"
source=runtime/examples/demo_service.c

port_of() { sed -n 's|.*http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP_E2E/$1.out"; }
# service NAME ARGS...: sets PID
service() {
	start "$1" "$EXAMPLES/demo_service" "${@:2}"
	must 10 "demo_service is up" says "$TMP_E2E/$1.out" http:
}
place() { echo "$source:$(grep -n "$1" "$source" | cut -d: -f1)"; }

# WEFT_BREAK=1: the healthy one where the sick one belongs; the test must fail then.
service sick --seconds 120 ${WEFT_BREAK:+--healthy}
sick=$PID
start load.sick "$LOAD" --port "$(port_of sick)" --http --path /orders/1 --rate 1000 --connections 20 --seconds 60 --quiet
diagnose sick -p "$sick" --duration 45
equal "exit code of diagnose" "$STATUS" 1
stop "$sick"
out=$TMP_E2E/sick.json
for want in "task-leak|session|$(place 'SPAWN(SESSION')" "busy-loop|pump|$(place 'SPAWN(PUMP')" \
	"blocking-call|db::retry|$(place 'SPAWN(RETRY')"; do
	IFS='|' read -r id name at <<< "$want"
	n=$(findings "$out" "SELECT count(*) FROM f WHERE id = '$id' AND name = '$name' AND location = '$at'")
	[ "$n" = 1 ] || { show_findings "$out"; fail "$n times $id on $name at $at, should be once"; }
done
equal "findings in all" "$(findings "$out" "SELECT count(*) FROM f WHERE NOT (severity = 'info' AND id = 'cpu-starved')")" 3
stack_has "$out" busy-loop checksum_batch
stack_has "$out" busy-loop "pump ($source:"
stack_has "$out" blocking-call db_backoff
stack_has "$out" blocking-call "db_retry ($source:"
holds "harm of the blocking call" "$(findings "$out" "SELECT harm FROM f WHERE id = 'blocking-call'") > 0"

service well --seconds 120 --healthy
well=$PID
start load.well "$LOAD" --port "$(port_of well)" --http --path /orders/1 --connections 64 --seconds 90
diagnose well -p "$well" --duration 60
no_finding "$TMP_E2E/well.json"
equal "exit code on the healthy twin" "$STATUS" 0
stop "$well"
