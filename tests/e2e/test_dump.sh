#!/usr/bin/env bash
# weft dump tells what each task waits for, and where, function by function; the console does, too, and so
# does a replay of what was asked while it was recorded.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

# line FILE TEXT: number of the first line with this text; the places in the answers are compared with the source.
line() { grep -nF -m 1 -- "$2" "$1" | cut -d : -f 1; }

# tasks FILE SELECT...: over the tasks of a dump as JSON.
tasks() {
	local file=$1
	shift
	sqlite3 :memory: "CREATE TEMP TABLE t AS SELECT
		json_extract(value, '\$.name') name, json_extract(value, '\$.state') state,
		json_extract(value, '\$.idle_ns') idle_ns, json_extract(value, '\$.await') await,
		json_extract(value, '\$.await.on') waits, json_extract(value, '\$.await.complete') complete,
		json_array_length(value, '\$.await.places') depth,
		json_extract(value, '\$.await.places[0].function') func,
		json_extract(value, '\$.await.places[0].location') location,
		json_extract(value, '\$.polls') polls, value body
		FROM json_each(CAST(readfile('$file') AS TEXT), '\$.tasks'); $*"
}

# The demo: orders wait for a request, sessions for a log-out that never comes.
source=runtime/examples/demo_service.c
start demo "$EXAMPLES/demo_service" --workers 2
demo=$PID
must 10 "the demo is up" says "$TMP_E2E/demo.out" 'pid'
enough_sessions() {
	"$WEFT" dump -p "$demo" --settle 0.3 --format json > "$TMP_E2E/demo.json"
	[ "$(tasks "$TMP_E2E/demo.json" "SELECT count(*) > 5 FROM t WHERE name = 'session'")" = 1 ]
}
must 20 "sessions leak" enough_sessions
d=$TMP_E2E/demo.json
equal "what sessions wait for" "$(tasks "$d" "SELECT DISTINCT waits, func, location, complete FROM t
	WHERE name = 'session' AND state = 'idle' AND json_extract(await, '\$.started')")" \
	"semaphore|session|$source:$(line $source 'weft_semaphore_acquire(cx')|1"
equal "what orders wait for" "$(tasks "$d" "SELECT DISTINCT func, location FROM t
	WHERE name = 'order' AND state = 'idle' AND waits = 'read'")" \
	"order|$source:$(line $source 'weft_tcp_read(cx, f->conn')"
# One that was being polled when it was read, and is idle when it is printed, has none.
holds "idle tasks whose wait is known" "$(tasks "$d" "SELECT total(complete IS 1) >= 0.9 * count(*) FROM t WHERE state = 'idle'")"
holds "since when" "$(tasks "$d" "SELECT count(*) FROM t WHERE name = 'session' AND idle_ns > 0") > 5"

# The same in the console, asked for when somebody looks at the task.
"$WEFT" top -p "$demo" --size 100x30 \
	--script 'wait:1s; key:1; type:\; type:session; key:Enter; wait:500ms; key:Enter; until:waits   sem; snap' \
	> "$TMP_E2E/screen"
says "$TMP_E2E/screen" "waits   semaphore at session (demo_service.c:$(line $source 'weft_semaphore_acquire(cx'))" ||
	fail "details: $(grep waits "$TMP_E2E/screen")"
stop "$demo"

# Three calls deep, 10,000 times, in 2 s, as text, JSON, graph and blob.
source=tests/workloads/nested.c
workload nested nested --count 10000 --seconds 60
target=$PID
chain="inner ($source:$(line $source 'weft_sleep(cx'))"
chain+=" < middle ($source:$(line $source 'inner(cx, &f'))"
chain+=" < outer ($source:$(line $source 'middle(cx, &f'))"
begin=$(date +%s%N)
"$WEFT" dump -p "$target" --settle 0.3 > "$TMP_E2E/nested.txt"
ms=$((($(date +%s%N) - begin) / 1000000))
equal "chains" "$(grep -cF "waits for sleep at $chain" "$TMP_E2E/nested.txt")" 10000
holds "ms for 10,000 tasks" "$ms <= 2000"
"$WEFT" dump -p "$target" --format json > "$TMP_E2E/nested.json"
equal "depth" "$(tasks "$TMP_E2E/nested.json" "SELECT count(*), min(depth), max(depth), min(complete)
	FROM t WHERE name = 'outer'")" '10000|3|3|1'
"$WEFT" dump -p "$target" --format dot > "$TMP_E2E/nested.dot"
equal "boxes" "$(grep -c "sleep at inner $source:" "$TMP_E2E/nested.dot")" 10000
"$WEFT" dump -p "$target" --format base64 > "$TMP_E2E/blob"
"$WEFT" dump --decode "$TMP_E2E/blob" > "$TMP_E2E/blob.json"
equal "unpacked" "$(json "$TMP_E2E/blob.json" '$.count')" 10000
holds "the blob is smaller" "$(stat -c %s "$TMP_E2E/blob") * 5 < $(stat -c %s "$TMP_E2E/blob.json")"
equal "blob from a pipe" "$("$WEFT" dump --decode - < "$TMP_E2E/blob" | wc -c)" "$(stat -c %s "$TMP_E2E/blob.json")"

# Two at once: a header for each, above its own tasks.
workload second nested --count 5 --seconds 60
"$WEFT" dump -p "$target,$PID" --settle 0.3 > "$TMP_E2E/both.txt"
equal "headers" "$(grep -c '^nested\[[0-9]*\] weft' "$TMP_E2E/both.txt")" 2
equal "tasks below the second" "$(sed "1,/^nested\[$PID\]/d" "$TMP_E2E/both.txt" | grep -c 'outer  idle')" 5
"$WEFT" dump -p "$target,$PID" --settle 0.3 --format json > "$TMP_E2E/both.json"
equal "targets" "$(json "$TMP_E2E/both.json" '$.targets[0].pid'),$(json "$TMP_E2E/both.json" '$.targets[1].pid')" "$target,$PID"
equal "tasks of the second" "$(tasks "$TMP_E2E/both.json" "SELECT count(*) FROM t WHERE name = 'outer' AND json_extract(body, '\$.process') = 1")" 5
# They are older than the attach, and how much is known.
equal "ages that are not known" "$(tasks "$TMP_E2E/both.json" "SELECT count(*) FROM t WHERE json_extract(body, '\$.age_at_least')")" 0
stop "$PID"

"$WEFT" dump --decode "$TMP_E2E/nested.txt" > /dev/null 2> "$TMP_E2E/err" && fail "text was taken for a blob"
says "$TMP_E2E/err" 'no dump in base64' || fail "$(cat "$TMP_E2E/err")"
stop "$target"
