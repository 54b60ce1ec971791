#!/usr/bin/env bash
# Healthy programs under stress, each watched for a minute: nothing may be found. One line per program and runtime.
#   stress_healthy.sh [NAME | RUNTIME | WATCH]...   all, or the lines of tests/stress/healthy.txt that have one of the words
# HEALTHY_SECONDS: 60   HEALTHY_ROUNDS: 1   HEALTHY_LEVELS: auto; more than one: each line at each   HEALTHY_KEEP: a folder for the reports
# HEALTHY_LIST: another list   HEALTHY_CARGO: options for the build of the Rust programs, e.g. --no-default-features
# Environment: BUILD, WEFT. Root. Ends with 1 when something was found or a program did not stay up. Verdicts:
#   clean       all that was asked for was checked
#   partly      nothing was found, not everything was checked: which, all of them allowed by the list
#   UNCHECKED   the same, of which the list allows not all: those
#   FALSE       what was found
#   MISSED      cpu-starved was not told, as info, while others had the CPUs
set -u
cd "$(dirname "$0")/.." || exit 1
build=$(realpath -m "${BUILD:-build}")
weft=${WEFT:-$build/weft}
list=${HEALTHY_LIST:-tests/stress/healthy.txt}
seconds=${HEALTHY_SECONDS:-60}
keep=${HEALTHY_KEEP-}
work=$(mktemp -d) || exit 1
mine=()
cleanup() {
	local p
	for p in ${mine[@]+"${mine[@]}"}; do kill -CONT "$p"; kill -KILL "$p"; done 2> /dev/null
	wait
	release
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
[ "$(id -u)" -eq 0 ] || { echo "stress_healthy.sh: needs root to attach" >&2; exit 77; }
ulimit -n 65536 2> /dev/null || ulimit -n "$(ulimit -H -n)"
bad=0
declare -A rust=()

# ---------------------------------------------------------------- programs

# beside COMMAND...: in the background, until the end of the watch; sets PID.
beside() {
	"$@" > /dev/null 2>&1 < /dev/null &
	PID=$!
	mine+=("$PID")
}
# launch OUT COMMAND...: the same for what is watched.
launch() {
	: > "$1"
	"${@:2}" > "$1" 2> "$1.err" < /dev/null &
	PID=$!
	mine+=("$PID")
}
# up OUT: it has said that it is, or has ended.
up() {
	local n
	for n in $(seq 600); do
		grep -q '^ready\|^http port' "$1" && return 0
		kill -0 "$PID" 2> /dev/null || return 1
		sleep 0.05
	done
	return 1
}
port_of() { sed -nE 's/.*port[ =]([0-9]*).*/\1/p; s/^ready [0-9]+ ([0-9]+)$/\1/p' "$1" | head -n 1; }

# need_rust NAME: sets rust[NAME], the path of its program, or none
need_rust() {
	[ -z "${rust[$1]-}" ] || return 0
	local options=
	[ "$1" != healthy ] || options=${HEALTHY_CARGO-}
	# shellcheck disable=SC2086
	rust[$1]=$(scripts/rust_workload.sh "$1" release $options) || rust[$1]=none
	[ "${rust[$1]}" != none ] || echo "the Rust program $1 cannot be built here: left out" >&2
}

# 50 tests at once. cargo's child is the test program.
launch_tests() {
	local n child threads from=$build/cargo/healthy/source/healthy # with the lock file for an old compiler
	[ -d "$from" ] || from=tests/workloads/healthy
	HEALTHY_SECONDS=$((seconds + 300)) CARGO_TARGET_DIR=$build/cargo/healthy PATH=$PATH:$HOME/.cargo/bin launch "$1" cargo test --quiet --locked \
		--release --manifest-path "$from/Cargo.toml" --test parallel -- --test-threads 50
	for n in $(seq 3000); do
		child=$(cat "/proc/$PID/task/$PID/children" 2> /dev/null) || return 1
		child=${child%% *}
		threads=("/proc/${child:-0}/task/"*)
		case $(readlink "/proc/${child:-0}/exe") in */parallel-*)
			[ ${#threads[@]} -le 50 ] || { mine+=("$child"); PID=$child; return 0; } ;;
		esac
		sleep 0.1
	done
	return 1
}

# launch_line OUT COMMAND...: sets PID; false when it isn't there, 2 when this machine can't.
launch_line() {
	local out=$1 program=$2 at
	shift 2
	case $program in
	rust | tests | smol | async_std)
		at=$program
		case $at in rust | tests) at=healthy ;; esac
		need_rust "$at"
		[ "${rust[$at]}" != none ] || return 2
		[ "$program" != tests ] || { launch_tests "$out"; return; }
		launch "$out" "${rust[$at]}" --seconds $((seconds + 300)) "$@" ;;
	*)
		at=$build/workloads/$program
		[ -x "$at" ] && set -- --seconds $((seconds + 300)) "$@" || at=$build/examples/$program
		launch "$out" "$at" "$@" ;;
	esac
	up "$out"
}

# ---------------------------------------------------------------- company

# pause SECONDS: without a child that would outlive us.
exec {never}<> <(:)
pause() { read -rt "$1" -u "$never" || :; }
stopping() {
	while pause 7 && kill -STOP "$1"; do
		pause 3
		kill -CONT "$1"
	done
}
debugging() {
	while pause 7 && "$build/tests/e2e/stop_threads" "$1" 3; do :; done
}
hog() { while :; do :; done; }

# Ours is a group below the root, of the version whose cpu controller is there.
groups=()
limit() {
	local pid=$1 cpus=$2 at
	if grep -qw cpu /sys/fs/cgroup/cgroup.controllers 2> /dev/null; then
		at=/sys/fs/cgroup/weft-healthy-$pid
		echo +cpu > /sys/fs/cgroup/cgroup.subtree_control && mkdir "$at" && groups+=("$at") &&
			echo "$((cpus * 100000)) 100000" > "$at/cpu.max"
	else
		at=/sys/fs/cgroup/cpu/weft-healthy-$pid
		mkdir "$at" && groups+=("$at") && echo 100000 > "$at/cpu.cfs_period_us" && echo $((cpus * 100000)) > "$at/cpu.cfs_quota_us"
	fi 2> /dev/null && echo "$pid" > "$at/cgroup.procs"
}
release() {
	local g
	for g in ${groups[@]+"${groups[@]}"}; do rmdir "$g" 2> /dev/null; done
	groups=()
}

# keep_company COMPANY PID OUT: false where this machine can't
keep_company() {
	local n echo=("$build/bench/load" --port "$(port_of "$3")" --seconds $((seconds + 300)) --quiet) load
	load=("${echo[@]}" --http --path /orders/7)
	case $1 in
	load) beside "${load[@]}" --connections 32 ;;
	echo) beside "${echo[@]}" --connections 32 ;;
	idle) beside "${load[@]}" --connections 10000 --rate 100 ;;
	stop) beside stopping "$2" ;;
	ptrace) beside debugging "$2" ;;
	hogs) for n in $(seq $((2 * $(nproc)))); do beside hog; done ;;
	quota=*) limit "$2" "${1#quota=}" ;;
	esac
}

# ---------------------------------------------------------------- watch

# allowed NAME RUNTIME: ids that the list lets go unchecked there, a comma before and after each
allowed() {
	local word name runtime ids why all=,
	while read -r word name runtime ids why; do
		# shellcheck disable=SC2254
		[ "$word" = allow ] && case $1/$2 in $name/$runtime) all=$all$ids, ;; esac
	done < "$list"
	echo "$all"
}

# about REPORT PID ALLOWED COMPANY: the verdict on one process of the report.
about() {
	sqlite3 -separator ' ' :memory: "CREATE TABLE d AS SELECT CAST(readfile('$1') AS TEXT) j;
		CREATE TABLE f AS SELECT json_extract(value, '\$.id') id, json_extract(value, '\$.severity') severity
			FROM d, json_each(j, '\$.findings') WHERE json_extract(value, '\$.subject.pid') = $2 OR json_extract(value, '\$.subject.pid') IS NULL;
		CREATE TABLE u AS SELECT json_extract(value, '\$.id') id FROM d, json_each(j, '\$.checked')
			WHERE json_extract(value, '\$.verdict') = 'not-checked';
		SELECT CASE
			WHEN NOT EXISTS (SELECT 1 FROM d, json_each(j, '\$.targets') WHERE json_extract(value, '\$.pid') = $2) THEN 'NOT WATCHED'
			WHEN EXISTS (SELECT 1 FROM f WHERE severity <> 'info') THEN
				'FALSE ' || (SELECT group_concat(DISTINCT id) FROM f WHERE severity <> 'info')
			WHEN '$4' = 'hogs' AND NOT EXISTS (SELECT 1 FROM f WHERE id = 'cpu-starved') THEN 'MISSED cpu-starved'
			WHEN EXISTS (SELECT 1 FROM u WHERE NOT instr('$3', ',' || id || ',')) THEN
				'UNCHECKED ' || (SELECT group_concat(id) FROM u WHERE NOT instr('$3', ',' || id || ','))
			ELSE coalesce((SELECT 'partly, not checked: ' || group_concat(id) FROM u HAVING count(*)), 'clean') END ||
			coalesce((SELECT ', ' || group_concat(DISTINCT id) FROM f WHERE severity = 'info' HAVING count(*)), ''),
			round(json_extract(j, '\$.window_s')) FROM d"
}

# row NAME RUNTIME LEVEL VERDICT SECONDS
row() { printf '%-12s %-14s %-7s %-5s %s\n' "$1" "$2" "$3" "${5-}" "$4"; }

# judge REPORT LEVEL: the lines of the watch; NAMES RUNTIMES PIDS are theirs.
judge() {
	local i verdict at
	for i in "${!PIDS[@]}"; do
		verdict=$(about "$1" "${PIDS[i]}" "$(allowed "${NAMES[i]}" "${RUNTIMES[i]}")" "${COMPANY[i]}") && [ -n "$verdict" ] || verdict="NO REPORT 0"
		at=${verdict##* }
		verdict=${verdict% *}
		kill -0 "${PIDS[i]}" 2> /dev/null || verdict="ENDED, $verdict"
		case $verdict in clean* | partly*) ;; *) bad=1 ;; esac
		row "${NAMES[i]}" "${RUNTIMES[i]}" "$2" "$verdict" "${at%.*}"
	done
}

# finish: ends all of the watch.
finish() {
	local p
	for p in ${mine[@]+"${mine[@]}"}; do kill -CONT "$p"; kill -TERM "$p"; done 2> /dev/null
	sleep 0.3
	for p in ${mine[@]+"${mine[@]}"}; do kill -KILL "$p"; done 2> /dev/null
	wait 2> /dev/null
	mine=()
	release
}

# watch NUMBER LEVEL: its lines are in $work/lines
watch() {
	local number name runtime company command out rc report=$work/report.json i
	NAMES=() RUNTIMES=() PIDS=() COMPANY=() OUTS=()
	while read -r number name runtime company command <&4; do
		out=$work/${#NAMES[@]}.out
		# shellcheck disable=SC2086
		launch_line "$out" $command
		rc=$?
		[ $rc -ne 2 ] || { row "$name" "$runtime" "$2" "not run: no cargo, or no network"; continue; }
		[ $rc -eq 0 ] || { row "$name" "$runtime" "$2" "NO START: $(head -n 1 "$out.err")"; bad=1; continue; }
		NAMES+=("$name") RUNTIMES+=("$runtime") PIDS+=("$PID") COMPANY+=("$company") OUTS+=("$out")
	done 4< "$work/lines"
	[ ${#PIDS[@]} -gt 0 ] || return
	for i in "${!PIDS[@]}"; do
		keep_company "${COMPANY[i]}" "${PIDS[i]}" "${OUTS[i]}" && continue
		row "${NAMES[i]}" "${RUNTIMES[i]}" "$2" "NO CGROUP for ${COMPANY[i]} here"
		bad=1
		kill -KILL "${PIDS[i]}"
		unset "PIDS[i]"
	done
	[ ${#PIDS[@]} -gt 0 ] || return
	"$weft" diagnose -p "$(IFS=,; echo "${PIDS[*]}")" --duration "$seconds" --level "$2" --format json > "$report" 2> "$work/weft.err" ||
		[ -s "$report" ] || cat "$work/weft.err" >&2
	judge "$report" "$2"
	[ -z "$keep" ] || cp "$report" "$keep/$(date +%H%M%S).watch$1.$2.json"
	finish
}

# The lines that are wanted, all of a watch together.
wanted="$*"
awk -v wanted="$wanted" 'BEGIN { n = split(wanted, w, " ") }
	/^#/ || !NF || $1 == "allow" { next }
	{ yes = !n && $1 != "ci"; for (i = 1; i <= n; i++) if (w[i] == $1 || w[i] == $2 || w[i] == $3) yes = 1; if (yes) print }' "$list" > "$work/wanted"
[ -s "$work/wanted" ] || { echo "stress_healthy.sh: $list has no line of that" >&2; exit 2; }
row program runtime level verdict s
for round in $(seq "${HEALTHY_ROUNDS:-1}"); do
	for level in ${HEALTHY_LEVELS:-auto}; do
		for number in $(awk '{ print $1 }' "$work/wanted" | uniq); do
			awk -v n="$number" '$1 == n' "$work/wanted" > "$work/lines"
			watch "$number" "$level"
		done
	done
done
exit $bad
