#!/usr/bin/env bash
# c-ares on the loop, against a name server that also stays silent and talks nonsense.
. "$(dirname "$0")/../e2e/lib.sh"
server=$BUILD/tests/e2e/name_server
need "$EXAMPLES/dns" "$server"

# ask NAME...: through a fresh server; answers sorted, in $TMP_E2E/answers; sets STATUS.
ask() {
	start names "$server"
	local pid=$PID
	must 10 "the name server is up" says "$TMP_E2E/names.out" '^port'
	STATUS=0
	timeout 30 "$EXAMPLES/dns" --server "127.0.0.1:$(sed -n 's/^port //p' "$TMP_E2E/names.out")" --timeout-ms 300 "$@" \
		> "$TMP_E2E/raw" || STATUS=$?
	sort "$TMP_E2E/raw" > "$TMP_E2E/answers"
	local status=$STATUS
	stop "$pid"
	STATUS=$status
}

ask one.test
equal "one name" "$(cat "$TMP_E2E/answers")" 'one.test 10.1.2.3:0'
equal "exit" "$STATUS" 0
ask many.test one.test
equal "addresses of two names" "$(wc -l < "$TMP_E2E/answers")" 21
equal "the last of many" "$(grep -c '^many.test 10.2.0.20:0$' "$TMP_E2E/answers")" 1
ask none.test
equal "no such name" "$(cat "$TMP_E2E/answers")" 'none.test: Domain name not found'
equal "exit when a name is missing" "$STATUS" 1

# The limits of c-ares are timers of the loop: it asks again.
ask late.test
equal "asked twice" "$(cat "$TMP_E2E/answers")" 'late.test 10.1.2.4:0'
ask garbage.test
equal "after nonsense" "$(cat "$TMP_E2E/answers")" 'garbage.test 10.1.2.5:0'
before=$(date +%s%N)
ask silent.test
took=$((($(date +%s%N) - before) / 1000000))
equal "no answer" "$(cat "$TMP_E2E/answers")" 'silent.test: Timeout while contacting DNS servers'
holds "it gives up after its 3 tries" "$took BETWEEN 900 AND 12000"

# Many at once; one that hangs keeps nobody else.
names=()
for i in $(seq 200); do names+=("one.test"); done
ask silent.test "${names[@]}"
equal "200 at once" "$(grep -c '^one.test 10.1.2.3:0$' "$TMP_E2E/answers")" 200
equal "the silent one comes last" "$(tail -n 1 "$TMP_E2E/raw")" 'silent.test: Timeout while contacting DNS servers'
