#!/usr/bin/env bash
# What the analyser finds in real Rust services, by shape alone, against what the linker's symbols say: every task type, the
# functions that end and wake tasks, a place to see each spawn; the same in a stripped copy, where it may not lean on names.
# timeout: 500
. "$(dirname "$0")/lib.sh"
need "$WEFT" "$BUILD/tests/e2e/rust_plan" nm strip sqlite3

# plan FILE NAME: into $TMP_E2E/NAME
plan() { "$BUILD/tests/e2e/rust_plan" "$1" > "$TMP_E2E/$2" || fail "no plan of $1"; }
types() { awk -v family="$2" '$1 == "type" && $4 == family' "$TMP_E2E/$1"; }
# addresses NAME KIND: of the probes
addresses() { awk -v kind="$2" '$1 == "probe" && $2 == kind { print $3 }' "$TMP_E2E/$1" | sort -u; }
# symbols FILE PATTERN: addresses of functions whose mangled name matches, in both schemes
symbols() { nm "$1" | awk -v p="$2" '$2 ~ /[tT]/ && $3 ~ p { print $1 }' | sort; }

# inside FILE FUNCTION ADDRESSES...: each of them lies in a function of that name
inside() {
	local file=$1 name=$2 address start size found
	shift 2
	for address in "$@"; do
		found=
		while read -r start size; do
			if [ $((16#$address)) -ge $((16#$start)) ] && [ $((16#$address)) -lt $((16#$start + 16#$size)) ]; then found=1; fi
		done < <(nm -S "$file" | awk -v p="$name" '$3 ~ /[tT]/ && $4 ~ p { print $1, $2 }')
		[ -n "$found" ] || fail "$address is not in $name of $file"
	done
}

# A name that an async fn gives its type must be the one that stands at its place in the source.
check_places() {
	local file line function source=$2
	while read -r file line function; do
		sed -n "${line}p" "$source/$file" | grep -q "fn $function\b" ||
			fail "$1: type of $function is said to be at $file:$line: $(sed -n "${line}p" "$source/$file")"
	done < <(awk '$1 == "type" && $7 ~ /^src\// && $8 ~ /^[a-z_0-9]+(::[a-z_0-9]+)*::\{\{closure\}\}$/ {
		split($7, at, ":"); n = split($8, part, "::"); print at[1], at[2], part[n - 1] }' "$TMP_E2E/$1")
}

for profile in release lto; do
	program=$(scripts/rust_workload.sh tokio $profile) || skip "cargo cannot build the Rust workload: no cargo, or no network"
	plan "$program" $profile
	equal "$profile: task types" "$(types $profile tokio | wc -l)" "$(symbols "$program" '4task3raw4poll(17h|I|N|C)' | wc -l)"
	equal "$profile: poll functions" "$(types $profile tokio | awk '{ print $3 }' | sort -u)" \
		"$(symbols "$program" '4task3raw4poll(17h|I|N|C)' | uniq)"
	equal "$profile: probes where polls begin" "$(addresses $profile poll-begin | wc -l)" \
		"$(types $profile tokio | awk '{ print $3 }' | sort -u | wc -l)"
	equal "$profile: ends of tasks" "$(addresses $profile complete)" \
		"$(symbols "$program" '4task7harness.*8complete(17h|B|C)' | uniq)"
	equal "$profile: wakes" "$(addresses $profile wake | wc -l)" 2
	inside "$program" '5waker11wake_by_(ref|val)' $(addresses $profile wake)
	holds "$profile: places where polls end" "$(addresses $profile poll-end | wc -l) BETWEEN 5 AND 12"
	equal "$profile: types that are never spawned" "$(awk '$1 == "type" { n++ }
		$1 == "probe" && $2 == "spawn" { seen[$NF] = 1 }
		END { for (i = 0; i < n; i++) if (!(i in seen)) missing++; print missing + 0 }' "$TMP_E2E/$profile")" 0
	holds "$profile: share of places that are single-stepped" "$(awk '$1 == "probe" { n++; bad += $4 != "emulated" }
		END { print bad / n }' "$TMP_E2E/$profile") < 0.1"
	says "$TMP_E2E/$profile" '^library tokio 1\.' || fail "$profile: no version of Tokio"
	check_places $profile tests/workloads/tokio

	# The same code without names: all that is found by shape is there again, at the same addresses.
	strip -o "$TMP_E2E/bare.elf" "$program"
	plan "$TMP_E2E/bare.elf" bare
	kinds="poll-begin poll-end spawn wake schedule complete shutdown dealloc"
	[ $profile = lto ] || kinds+=" panic" # that one aborts
	for kind in $kinds; do
		equal "$profile, stripped: $kind" "$(addresses bare $kind)" "$(addresses $profile $kind)"
	done
	equal "$profile, stripped: types" "$(awk '$1 == "type" { print $2, $3, $4, $5, $6 }' "$TMP_E2E/bare")" \
		"$(awk '$1 == "type" { print $2, $3, $4, $5, $6 }' "$TMP_E2E/$profile")"
	# Names tell when a place is not the type's own; where one is left, it is the same.
	equal "$profile, stripped: places that are another's" "$(awk '$1 == "type" && FNR == NR { place[$2] = $7 }
		$1 == "type" && FNR != NR && $7 != "-" && $7 != place[$2]' "$TMP_E2E/bare" "$TMP_E2E/$profile" | wc -l)" 0
	says "$TMP_E2E/bare" '^gap steals: ' || fail "$profile, stripped: it is not said that steals can't be seen"
done
holds "named types of the release build" "$(awk '$1 == "type" { n++; named += $8 != "-" } END { print named / n }' "$TMP_E2E/release") > 0.8"

# sees NAME WHAT, unseen NAME WHAT: said to be seen; said why it is not, and not claimed besides
sees() { says "$TMP_E2E/$1" "^sees $2$" && ! says "$TMP_E2E/$1" "^gap $2: " || fail "$1: it is not said that $2 can be seen"; }
unseen() { says "$TMP_E2E/$1" "^gap $2: " && ! says "$TMP_E2E/$1" "^sees $2$" || fail "$1: it is not said that $2 can't be seen"; }
for what in "timers being set" "late drivers" "queue depths"; do sees release "$what"; done
unseen bare "timers being set"
sees bare "late drivers"

program=$(scripts/rust_workload.sh smol)
plan "$program" smol
equal "smol: task types" "$(types smol async-task | wc -l)" "$(symbols "$program" '10async_task3raw.*3run(17h|B|C)' | wc -l)"
holds "smol: blocking jobs among them" "$(types smol async-task | grep -c ' blocking ') > 0"
holds "smol: wakes" "$(addresses smol wake | wc -l) > 0"
inside "$program" '10async_task3raw.*(4wake|11wake_by_ref)(17h|B|C)' $(addresses smol wake)
check_places smol tests/workloads/smol
# Its spawns carry no place: the function tells, the program's and none of the runtime's.
holds "smol: types with a spawning function" "$(grep -c '^spawned [0-9]* fn smol_workload::' "$TMP_E2E/smol") > 10"
equal "smol: spawning functions of the runtime" "$(grep -cE '^spawned [0-9]* fn <?&?(smol|async_executor|async_task|core|std|alloc)::' "$TMP_E2E/smol")" 0
strip -o "$TMP_E2E/bare.elf" "$program"
plan "$TMP_E2E/bare.elf" bare
equal "smol, stripped: places of spawns" "$(grep -c '^spawned [0-9]* [^-]' "$TMP_E2E/bare")" 0
for what in "timers being set" "which wakes timers and IO cause" "workers parking" panics; do sees smol "$what"; done
for what in steals "queue depths"; do unseen smol "$what"; done
for what in steals "timers being set" "which wakes timers and IO cause"; do unseen bare "$what"; done
# Its driver waits for a timerfd: how long is not seen.
! says "$TMP_E2E/smol" '^sees late drivers$' || fail "smol: late drivers are said to be seen"
says "$TMP_E2E/bare" '^gap where tasks are spawned: ' || fail "smol, stripped: it is not said that places of spawns can't be seen"

# weft list: by what is in the file, and with a look at its code.
program=$(scripts/rust_workload.sh tokio)
start service "$program" --wait sound
must 10 "the workload is up" says "$TMP_E2E/service.out" '^ready'
service=$PID
# listed CONDITION: rows of the service in $TMP_E2E/list
listed() {
	sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$TMP_E2E/list') AS TEXT)) WHERE json_extract(value, '\$.pid') = $service
		AND json_extract(value, '\$.runtimes[0].kind') = 'tokio' AND json_extract(value, '\$.runtimes[0].version') GLOB '1.*' AND $1"
}
"$WEFT" list --format json > "$TMP_E2E/list"
equal "listed at a glance" "$(listed "NOT json_extract(value, '\$.analysed')")" 1
"$WEFT" list --full --format json > "$TMP_E2E/list"
equal "listed in full" "$(listed "json_extract(value, '\$.analysed') AND value LIKE '%\"polls\"%' AND value LIKE '%\"spawns\"%'")" 1

# No runtime in it: said, with its own exit code.
STATUS=0
"$BUILD/tests/e2e/rust_plan" /bin/sh > "$TMP_E2E/sh" 2>&1 || STATUS=$?
equal "exit code for a shell" "$STATUS" 1
