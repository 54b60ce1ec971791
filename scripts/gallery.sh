#!/usr/bin/env bash
# Symptom x flavour, from real runs: each sick program has to be found with its id, its cause and its place, each healthy twin has to stay
# clean, under all detectors.
#   gallery.sh [LIST | SYMPTOM | PROGRAM | VARIANT]...   all, or the lines of tests/gallery/LIST.txt that have one of the words
# GALLERY_LISTS: c,tokio (all)   GALLERY_FLAVOURS: letters of the columns, m,c (all)   GALLERY_HEALTHY_SECONDS: 12   GALLERY_ROUNDS: 1
# GALLERY_SECONDS: 5, within which it has to be found (task-leak: 35)   GALLERY_FOLDER: tests/gallery   Environment: BUILD, WEFT.
# Root. Ends with 1 when a cell is not as it should be; last line: "N rounds, N bad cells", above it the bad ones.
# Cells, sick / healthy: seconds from the attach to the finding and its confidence; +ID what was found beside it and may be, "no place" where it
# may have none / clean. A word in capitals is bad, what follows it says more: MISSED, LATE; CAUSE, PLACE (found, but not that one); BESIDE (also found,
# of another id or of its own elsewhere), NO PLACE; of the twin FALSE and the ids, UNCHECKED.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
weft=${WEFT:-$build/weft}
flavours=${GALLERY_FLAVOURS:-all}
healthy_seconds=${GALLERY_HEALTHY_SECONDS:-12}
folder=${GALLERY_FOLDER:-tests/gallery}
work=$(mktemp -d) || exit 1
bad_cells=$work/bad # a line for each
: > "$bad_cells"
pids=() WAITING=()
cleanup() {
	for p in ${pids[@]+"${pids[@]}"} ${WAITING[@]+"${WAITING[@]}"}; do kill -TERM "$p" 2> /dev/null; done
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
[ "$(id -u)" -eq 0 ] || { echo "gallery.sh: needs root to attach" >&2; exit 77; }

wanted() {
	local word
	[ ${#only[@]} -gt 0 ] || return 0
	for word in "${only[@]}"; do
		case " $* " in *" $word "*) return 0 ;; esac
	done
	return 1
}
now() { echo "${EPOCHREALTIME/[.,]/}"; }

# program_of LIST PROGRAM: its path. The C runtime's are built by make, the crate of another runtime here.
program_of() {
	if [ "$1" = c ]; then
		realpath "$build/workloads/$2"
	else
		BUILD=$build scripts/rust_workload.sh "$2" 2> "$work/cargo" || { tail -n 3 "$work/cargo" >&2; return 1; }
	fi
}

# launch PROGRAM ARGS...: sets PID once it is up; false when it is not.
launch() {
	"$@" > "$work/out" 2> "$work/err" < /dev/null &
	PID=$!
	pids+=("$PID")
	for _ in $(seq 200); do
		grep -q '^ready' "$work/out" && return 0
		kill -0 "$PID" 2> /dev/null || return 1
		sleep 0.05
	done
	return 1
}
finish() {
	kill -TERM "$1" 2> /dev/null
	for _ in $(seq 100); do
		kill -0 "$1" 2> /dev/null || break
		sleep 0.05
	done
	kill -KILL "$1" 2> /dev/null
	wait "$1" 2> /dev/null
	pids=()
}

# places: where the trouble is by the program's own word, FILE:LINE a line: its ready line, or "gallery: VARIANT" at the end of a source line.
places() {
	local crate=$program from=src
	[ "$crate" != async_std ] || { crate=smol; from=src/../../smol/src; } # they share their sources
	sed -n '1s/.* at=\([^ ][^ ]*\).*/\1/p' "$work/out"
	[ ! -d "tests/workloads/$crate/src" ] || (cd "tests/workloads/$crate" &&
		grep -rnE "// gallery: ([a-z_]+ )*$variant( |\$)" src | sed -E "s#^src(/[^:]*:[0-9]+):.*#$from\1#")
}

# judge SYMPTOM CAUSE ALLOWED: reads the text report; prints what the cell says beside the time. ALLOWED: ids, no-place
judge() {
	awk -v id="$1" -v cause="$2" -v allowed=" $3 " -v places="$(places | tr '\n' ' ')" '
		function may(what) { return index(allowed, " " what " ") }
		function beside(what, text) { more = more (may(what) ? " +" what : " BESIDE " text) }
		function is_place(k, p, i) {
			k = split(places, p, " ")
			for (i = 1; i <= k; i++) if (index(at ":", p[i] ":") == 1) return 1
		}
		function over() {
			if (!mine) return
			n++
			if (cause != "-" && what !~ cause) { wrong = what; elsewhere[id " (" what ")"]; return }
			caused = 1
			if (at != "" && places != "" && !is_place()) { seen = at; elsewhere[id " at " at]; return }
			if (at != "") placed = 1
			right = 1
			if (conf == "") conf = this_conf
		}
		/^(info|warn|crit)  [a-z-]+  / {
			over(); mine = $2 == id; what = at = this_conf = ""
			if (!mine && $1 != "info" && !others[$2]++) beside($2, $2)
		}
		mine && $1 == "cause" { what = $0; sub(/^ *cause +/, "", what) }
		mine && $1 == "spawned" { at = $2 }
		mine && / confidence [0-9.]+/ { match($0, /confidence [0-9.]+/); this_conf = substr($0, RSTART + 11, RLENGTH - 11) }
		END {
			over()
			if (right) for (text in elsewhere) beside(id, text)
			if (!n) print "NO REPORT"
			else if (!caused) print "CAUSE " wrong
			else if (!right) print "PLACE " seen more
			else print conf (placed || places == "" ? "" : may("no-place") ? " no place" : " NO PLACE") more
		}'
}

# sick SYMPTOM SECONDS CAUSE ALLOWED PROGRAM ARGS...: prints the cell. The finding's line appears while weft still watches.
sick() {
	local symptom=$1 seconds=$2 cause=$3 allowed=$4 pid= diag start line found=
	shift 4
	if [ -n "$begun" ]; then
		set -- --level normal -- "$@"
	else
		launch "$@" || { echo "NO START"; return; }
		pid=$PID
		set -- -p "$pid"
	fi
	mkfifo "$work/fifo"
	# What a program that weft starts prints becomes a file there.
	env -C "$work" "$(realpath "$weft")" diagnose --duration "$seconds" "$@" > "$work/fifo" 2> "$work/err" &
	diag=$!
	pids+=("$diag")
	start=$(now)
	{
		while IFS= read -r line; do
			echo "$line"
			case $line in *" s  "*" $symptom "*) found=$(now); break ;; esac
			case $line in verdict:*) break ;; esac
		done
		# A moment more for what the finding learns and for what comes beside it.
		[ -z "$found" ] || { sleep 0.5; kill -INT "$diag" 2> /dev/null; }
		cat
	} < "$work/fifo" > "$work/report"
	rm -f "$work/fifo"
	wait "$diag" 2> /dev/null
	[ -z "$pid" ] || finish "$pid"
	pids=()
	[ -n "$found" ] || { echo "MISSED$(awk '/^(warn|crit)  / && !seen[$2]++ { printf " +%s", $2 }' "$work/report")"; return; }
	awk -v us=$((found - start)) -v limit="$([ "$symptom" = task-leak ] && echo 35 || echo "${GALLERY_SECONDS:-5}")" '
		BEGIN { printf "%s%.1f s ", (us / 1e6 > limit ? "LATE " : ""), us / 1e6 }'
	judge "$symptom" "$cause" "$allowed" < "$work/report"
}

# healthy SYMPTOM SECONDS PROGRAM ARGS...: prints "clean", or what was found.
healthy() {
	local symptom=$1 seconds=$2 pid= ids verdict
	shift 2
	if [ -n "$begun" ]; then
		set -- --level normal -- "$@" --healthy
	else
		launch "$@" --healthy || { echo "NO START"; return; }
		pid=$PID
		set -- -p "$pid"
	fi
	env -C "$work" "$(realpath "$weft")" diagnose --duration "$seconds" --format json "$@" > "$work/json" 2> "$work/err"
	[ -z "$pid" ] || finish "$pid"
	ids=$(sqlite3 :memory: "SELECT group_concat(DISTINCT json_extract(value, '\$.id')) FROM
		json_each(CAST(readfile('$work/json') AS TEXT), '\$.findings') WHERE json_extract(value, '\$.severity') <> 'info'") || ids="NO REPORT"
	[ -z "$ids" ] || { echo "FALSE $ids"; return; }
	verdict=$(sqlite3 :memory: "SELECT json_extract(value, '\$.verdict') || ' ' || json_extract(value, '\$.why') FROM
		json_each(CAST(readfile('$work/json') AS TEXT), '\$.checked') WHERE json_extract(value, '\$.id') = '$symptom'")
	case $verdict in not-*) echo "UNCHECKED $verdict" ;; *) echo clean ;; esac
}

# apart FOLDER COMMAND...: in a folder of its own, beside others of its kind
apart() {
	work=$1 pids=()
	shift
	trap 'for p in ${pids[@]+"${pids[@]}"}; do kill -TERM "$p" 2> /dev/null; done; exit 130' INT TERM
	mkdir -p "$work" && "$@"
}

# allowed_at LETTER: ids, no-place: what `allow` lines let be found beside the symptom of this line
allowed_at() {
	local allow a_symptom a_program a_variant a_letters what
	for allow in ${allows[@]+"${allows[@]}"}; do
		read -r a_symptom a_program a_variant a_letters what <<< "$allow"
		# shellcheck disable=SC2254
		case $symptom/$program/$variant in $a_symptom/$a_program/$a_variant) ;; *) continue ;; esac
		case ,$a_letters, in *,"$1",* | ,\*,) echo -n "$what " ;; esac
	done
}

# cell COLUMN OPTIONS...: of the line that is in the variables of run_list; prints "1.2 s 0.95 / clean"
cell() {
	local flavour=${CELLS[$1]} letter=${letters[$1]} args=() twin=$healthy_seconds begun= found allowed
	shift
	[ "$flavour" != start ] || begun=1
	args=(--seconds 120 "$@")
	[ "$variant" = - ] || args+=(--variant "$variant")
	case $flavour in own | start) letter=$flavour ;; *) args+=(--flavour "$flavour") ;; esac
	allowed=$(allowed_at "$letter")
	# What needs a long window to be seen needs it to be seen absent.
	[ "$seconds" -le 20 ] || twin=$seconds
	if [ -n "$calm" ]; then
		apart "$work/sick" sick "$symptom" "$seconds" "$cause" "$allowed" "$path" "${args[@]}" > "$work/found" &
		pids+=("$!")
		apart "$work/healthy" healthy "$symptom" "$twin" "$path" "${args[@]}" > "$work/twin" &
		pids+=("$!")
		wait
		found="$(< "$work/found") / $(< "$work/twin")"
	else
		found=$(sick "$symptom" "$seconds" "$cause" "$allowed" "$path" "${args[@]}")
		found="$found / $(healthy "$symptom" "$twin" "$path" "${args[@]}")"
	fi
	echo "$found"
	note_bad "$letter" "$found"
}
# note_bad LETTER CELL: kept, when it is not as it should be
note_bad() {
	grep -qE '^[0-9.]+ s [0-9.]+( no place)?( \+[a-z-]+)* / clean$' <<< "$2" || echo "round $round: $list  $symptom  $form  $1: $2" >> "$bad_cells"
}

# cells_of: sets CELLS, one for each column of the list: its flavour, - or "not run", and how many of them run
cells_of() {
	local i letter flavour
	CELLS=() CELLS_RUN=0
	for i in "${!letters[@]}"; do
		letter=${letters[i]} flavour=${names[i]}
		# What makes its own runtime is run once, and stands in the first column.
		case $which$i in
		own0 | start0) flavour=$which ;;
		*)
			case ,$which, in *,$letter,*) ;; *) CELLS[i]=-; continue ;; esac
			case ,$flavours, in *,all,* | *,$letter,*) ;; *) CELLS[i]="not run"; continue ;; esac
			;;
		esac
		CELLS[i]=$flavour
		CELLS_RUN=$((CELLS_RUN + 1))
	done
}

print_row() { printf '%-17s %-22s' "$1" "$2" && shift 2 && printf ' %-26s' "$@" && echo; }

# line OPTIONS...: its cells, printed as a row
line() {
	local i cells=() row=("${CELLS[@]}")
	for i in "${!CELLS[@]}"; do
		case ${CELLS[i]} in - | "not run") continue ;; esac
		if [ -n "$calm" ]; then
			apart "$work/$i" cell "$i" "$@" > "$work/cell.$i" &
			pids+=("$!")
			cells+=("$i")
		else
			row[i]=$(cell "$i" "$@")
		fi
	done
	wait
	pids=()
	for i in ${cells[@]+"${cells[@]}"}; do row[i]=$(< "$work/cell.$i"); done
	print_row "$symptom" "$form" "${row[@]}"
}

# beside OPTIONS...: a calm line, with others of its kind: as many cells at once as the list has columns, two at least
beside() {
	local n=${#WAITING[@]}
	if [ $((together + CELLS_RUN)) -gt $((${#letters[@]} > 2 ? ${#letters[@]} : 2)) ]; then
		wait_calm
		n=0
	fi
	together=$((together + CELLS_RUN))
	apart "$work/line.$n" line "$@" > "$work/row.$n" &
	WAITING+=("$!")
}
wait_calm() {
	local n
	wait
	for n in "${!WAITING[@]}"; do cat "$work/row.$n"; done
	WAITING=() together=0
}

# run_list LIST: a table of its own
run_list() {
	local list=$1 letters=() names=() allows=() headed= symptom program variant which seconds cause options pair path form calm together=0
	while read -r symptom program variant which seconds cause options <&3; do
		case $symptom in
		'#'* | '') continue ;;
		columns)
			for pair in $program $variant $which $seconds $cause $options; do
				letters+=("${pair%%=*}")
				names+=("${pair#*=}")
			done
			continue
			;;
		allow)
			allows+=("$program $variant $which $seconds $cause")
			continue
			;;
		esac
		calm=${seconds##*[0-9]} seconds=${seconds%"$calm"}
		wanted "$list" "$symptom" "$program" "$variant" || continue
		[ -n "$headed" ] || { echo; print_row symptom "$list" "${names[@]}"; }
		headed=1 some=1
		form=$program
		[ "$variant" = - ] || form="$program $variant"
		path=${built[$list $program]-}
		[ -n "$path" ] || built[$list $program]=${path:=$(program_of "$list" "$program")}
		[ -n "$path" ] || { print_row "$symptom" "$form" "NO PROGRAM"; note_bad - "NO PROGRAM"; continue; }
		cells_of
		# shellcheck disable=SC2086
		if [ -n "$calm" ]; then
			beside $options
		else
			wait_calm
			line $options
		fi
	done 3< "$folder/$list.txt"
	wait_calm
}

only=("$@")
rounds=${GALLERY_ROUNDS:-1} some=
declare -A built
for round in $(seq "$rounds"); do
	[ "$rounds" = 1 ] || printf '\nround %s\n' "$round"
	for file in "$folder"/*.txt; do
		list=$(basename "$file" .txt)
		case ,${GALLERY_LISTS:-all}, in *,all,* | *,$list,*) run_list "$list" ;; esac
	done
done
[ -n "$some" ] || { echo "gallery.sh: $folder has no line of that" >&2; exit 2; }
echo
cat "$bad_cells"
echo "$rounds rounds, $(wc -l < "$bad_cells") bad cells"
[ ! -s "$bad_cells" ]
