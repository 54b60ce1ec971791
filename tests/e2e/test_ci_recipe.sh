#!/usr/bin/env bash
# The README's recipe for CI, as it stands there, on the demo service: 0 on the healthy one, 1 on the sick one, 0 again once what
# is found is known. It ends what it started.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$EXAMPLES/demo_service" curl wrk sqlite3
sed -n '/^# ci\.sh$/,/^```$/p' README.md | sed '$d' > "$TMP_E2E/ci.sh"
says "$TMP_E2E/ci.sh" 'weft diagnose' || fail "the README has no recipe"
cd "$TMP_E2E"
ln -s "$BUILD" build
mkdir bin # what load there is, and that it ends
printf '#!/bin/sh\necho $$ "$*" >> wrk.txt\nexec %s "$@"\n' "$(command -v wrk)" > bin/wrk
chmod +x bin/wrk
port=$((20000 + RANDOM % 12768)) # below those that the kernel gives to clients
export URL=http://127.0.0.1:$port/orders WATCH=5

# recipe SHELL OPTIONS...: of the service. On a machine that is full too little may be seen: then it says so, by 3.
recipe() {
	local shell=$1
	shift
	for _ in 1 2 3 4; do
		STATUS=0
		PATH=$PWD/bin:$PATH SERVICE="build/examples/demo_service --port $port $*" $shell ci.sh > out 2> err < /dev/null || STATUS=$?
		[ $STATUS = 3 ] || break
	done
	must 10 "the service is ended" closed
	must 10 "the load is ended" ended "$(tail -n 1 wrk.txt | cut -d' ' -f1)"
}
closed() { ! curl -s -o /dev/null "$URL"; }
verdict() { json findings.json '$.verdict'; }

recipe sh --healthy
equal "exit code on the healthy service: $(cat err findings.json)" "$STATUS $(verdict)" '0 clean'
says wrk.txt "$URL" || fail "no load was put on it"

recipe 'bash -e' --only block # as CI services run a step
equal "exit code on the sick service: $(cat err)" "$STATUS $(verdict)" '1 findings'
equal "what was found" "$(findings findings.json "SELECT DISTINCT id FROM f WHERE severity <> 'info'")" blocking-call

cp findings.json known.json
recipe sh --only block
equal "exit code once it is known: $(cat err findings.json)" "$STATUS $(verdict)" '0 clean'
equal "what was found" "$(findings findings.json "SELECT DISTINCT id FROM f WHERE severity <> 'info'")" blocking-call
