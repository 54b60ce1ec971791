#!/usr/bin/env bash
# Rust services as their authors build them: what Weft counts against what each program counted itself, as a table (build x
# runtime): `exact`, `partly` with what Weft could not look at and said so, or FAIL with what was wrong.
# A row that is less than rust_matrix.rows says of it fails, too.
#   test_rust_matrix.sh          a subset; other tests cover what it leaves out: test_tokio, test_async_task
#   test_rust_matrix.sh pairs    no row is run: pairs of runtime, flavour, build and mangling that neither it nor other tests have
#   test_rust_matrix.sh full     all of it (make check-rust-full): an hour; ROWS="tokio-1.24 lto": rows with all of these words only
# KEEP=FOLDER: recordings and counts stay there.
# timeout: 900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust_truth.sh"
need_root
need "$WEFT" strip

# RUNTIME FLAVOUR BUILD MANGLING; a build is made once, rows of the same one stand together.
subset=(
	"tokio-1.24 current_thread lto-stripped v0"
	"tokio-1.24 multi_thread lto v0"
	"tokio-1.38 multi_thread thin-stripped legacy"
	"tokio-1.38 current_thread thin legacy"
	"tokio multi_thread musl v0"
	"tokio current_thread release-stripped legacy"
	"smol executor release-stripped legacy"
	"async_std executor release-stripped legacy"
	"smol-1 executor lto v0"
	"tokio multi_thread dev legacy"
)
# What other tests compare with the program's own counts: test_tokio, test_spawn_places, test_async_task.
elsewhere=(
	"tokio multi_thread release legacy"
	"tokio current_thread release legacy"
	"tokio multi_thread lto legacy"
	"tokio current_thread lto-stripped legacy"
	"tokio multi_thread release-stripped legacy"
	"tokio multi_thread lines legacy"
	"smol executor release legacy"
	"async_std executor release legacy"
)
all_rows() {
	local runtime build mangling flavour flavours
	for runtime in tokio tokio-1.38 tokio-1.24 smol smol-1 async_std; do
		case $runtime in tokio*) flavours="multi_thread current_thread" ;; *) flavours=executor ;; esac
		for mangling in legacy v0; do
			for build in dev release release-stripped lines lto lto-stripped thin pgo musl musl-stripped; do
				for flavour in $flavours; do echo "$runtime $flavour $build $mangling"; done
			done
		done
	done
}

# What a program does while it is watched. With panic = abort it must not panic.
behaviours() {
	case $1 in
	lto*) echo echo tickers joiner aborter dropper mpsc spawn_blocking self_waker hand_written nested ;;
	*) echo sound ;;
	esac
}
polled() { [ "$(sql "$1" "SELECT count(*) FROM events WHERE kind = 'task-poll'")" -gt "$2" ]; }

# watched NAME FLAVOUR BUILD PROGRAM: from before its first task to its end. Sets DB, and ENDED to what went wrong with the processes.
watched() {
	local name=$1 args=(--wait) pid recorder
	[ "$2" != current_thread ] || args+=(--current-thread)
	# shellcheck disable=SC2046
	start "$name" "$4" "${args[@]}" $(behaviours "$3")
	pid=$PID ENDED=()
	must 20 "$name is up" says "$TMP_E2E/$name.out" '^ready'
	record "$name" -p "$pid" --level normal
	recorder=$PID
	kill -USR1 "$pid"
	wait_for 20 polled "$DB" 2000 || ENDED+=("2000 polls are not in the recording after 20 s")
	stop "$pid"
	[ "$STATUS" = 0 ] || ENDED+=("exit code of the program: $STATUS")
	join "$recorder" 30
	[ "$STATUS" = 0 ] || ENDED+=("exit code of weft record: $STATUS")
}

joined() { local IFS=';' && echo "$*"; }

# row RUNTIME FLAVOUR BUILD MANGLING: sets VERDICT
row() {
	local family=async_task source=tests/workloads/smol/src/behaviours.rs name program rc=0
	case $1 in tokio*) family=tokio source=tests/workloads/tokio/src/behaviours.rs ;; esac
	name=$1.$2.$3.$4
	program=$(scripts/rust_matrix_build.sh "$1" "$3" "$4" 2> "$TMP_E2E/build.err") || rc=$?
	if [ $rc -eq 77 ]; then
		VERDICT="not run: $(tail -n 1 "$TMP_E2E/build.err")"
		return
	elif [ $rc -ne 0 ]; then
		VERDICT="FAIL does not build: $(grep -m 1 error "$TMP_E2E/build.err")"
		return
	fi
	watched "$name" "$2" "$3" "$program"
	rust_compare "$family" "$source" "$DB" "$TMP_E2E/$name.out"
	[ -z "${KEEP-}" ] || cp "$DB" "$TMP_E2E/$name.out"* "$KEEP"
	WRONG=(${ENDED[@]+"${ENDED[@]}"} ${WRONG[@]+"${WRONG[@]}"})
	if [ ${#WRONG[@]} -gt 0 ]; then
		VERDICT="FAIL $(joined "${WRONG[@]}")"
	elif [ ${#PARTLY[@]} -gt 0 ]; then
		VERDICT="partly: $(joined "${PARTLY[@]}")"
	else
		VERDICT=exact
	fi
	rm -f "$DB"
}

# known ROW: what rust_matrix.rows says of it, nothing if it says nothing
known() { sed -n "s/^$1: //p" tests/e2e/rust_matrix.rows; }

# sunk ROW VERDICT: prints what the row is less than it was.
sunk() {
	local was reason
	was=$(known "$1")
	case $was:$2 in
	: | :* | *:exact | *:"not run"* | *:FAIL*) return ;;
	exact:*) echo "was exact" ;;
	*) while IFS= read -r reason; do
		[[ ";${was#partly }" == *";$reason"* ]] || echo "could be looked at: $reason"
	done < <(sed 's/^partly: //' <<< "$2" | tr ';' '\n' | sed -E 's/^[0-9]+ % of //') ;;
	esac
}

wanted() {
	local word
	for word in ${ROWS-}; do [[ " $1 " == *" $word "* ]] || return 1; done
}

# pairs: of any two properties, the values that only `full` brings together
pairs() {
	{ printf '%s\n' "${subset[@]}" "${elsewhere[@]}" | sed 's/^/1 /' && all_rows | sed 's/^/0 /'; } |
		sed -E 's/-stripped / stripped /; t; s/ (legacy|v0)$/ whole \1/' | awk '
		{ for (i = 2; i < 6; i++) for (j = i + 1; j < 7; j++) { key = i " " j; pair = $i " x " $j
			if ($1) there[key, pair] = 1; else if (!(there[key, pair]++)) { n++; line[key, $i] = line[key, $i] " " $j; name[key, $i] = $i } } }
		END { for (k in line) print name[k] " x" line[k]; print n + 0 " pairs are only in full" }' | sort
}

if [ "${1-}" = pairs ]; then
	pairs
	exit
fi
rows=("${subset[@]}")
[ "${1-}" != full ] || mapfile -t rows < <(all_rows)
failed=0 ran=0
printf '%-12s %-15s %-17s %-8s %s\n' runtime flavour build mangling "Weft's counts against the program's"
for r in "${rows[@]}"; do
	wanted "$r" || continue
	read -r runtime flavour build mangling <<< "$r"
	row "$runtime" "$flavour" "$build" "$mangling"
	less=$(sunk "$r" "$VERDICT" | paste -sd ';')
	[ -z "$less" ] || VERDICT="FAIL $VERDICT; $less"
	# The subset is there to be run.
	[ "${1-}" = full ] || [ "${CI-}" != true ] || VERDICT=${VERDICT/#not run:/FAIL not run:}
	printf '%-12s %-15s %-17s %-8s %s\n' "$runtime" "$flavour" "$build" "$mangling" "$VERDICT"
	case $VERDICT in FAIL*) failed=$((failed + 1)) ran=$((ran + 1)) ;; exact | partly*) ran=$((ran + 1)) ;; esac
done
[ $ran -gt 0 ] || skip "no row could be run: cargo cannot build the Rust workloads (no cargo, or no network)"
[ $failed -eq 0 ] || fail "$failed of $ran rows"
