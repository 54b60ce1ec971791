#!/usr/bin/env bash
# handle-dropped: by the drop of the handle, by an abort at once, by a shutdown before the first poll. Who did it, and where.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair_begin handle-dropped handle_dropped drop 5 --only handle-dropped
pair_begin handle-dropped handle_dropped abort 5 --only handle-dropped
pair_begin handle-dropped handle_dropped shutdown 8 --only handle-dropped --level normal
for variant in drop abort shutdown; do pair_end $variant; done

# told VARIANT TASK CALL: the finding's evidence names the task that took the others off and the line of the call.
told() {
	local out=$TMP_E2E/diagnose.$1.sick.out line
	line=$(grep -n "$3(f->join)" tests/workloads/handle_dropped.c | cut -d : -f 1)
	[ "$(findings "$out" "SELECT count(*) FROM f WHERE id = 'handle-dropped' AND
		EXISTS (SELECT 1 FROM json_each(evidence) WHERE json_extract(value, '\$.text') GLOB 'by task [0-9]* $2, spawned at tests/workloads/handle_dropped.c:*') AND
		EXISTS (SELECT 1 FROM json_each(evidence) WHERE json_extract(value, '\$.text') = 'the last by $2 (tests/workloads/handle_dropped.c:$line)')")" -ge 1 ] ||
		fail "handle-dropped $1, by $2 at line $line: $(findings "$out" "SELECT evidence FROM f")"
}
told drop sender weft_join_drop
told abort hasty weft_join_abort
