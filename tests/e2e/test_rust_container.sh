#!/usr/bin/env bash
# A Rust service where weft's own view of files and pids does not hold: in a container (mounts and pids of its own, its program nowhere
# else), with its program deleted or replaced while it runs, with children that it forks while watched; and weft itself in
# a pid namespace, which says that it can't.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" unshare chroot
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"

# Inside: a file system of its own that holds the program and what that is linked with.
cat > "$TMP_E2E/box.sh" << 'EOF'
set -e
root=$1 program=$2
shift 2
mount -t tmpfs none "$root"
mkdir -p "$root/srv" "$root/proc"
cp "$program" "$root/srv/service"
ldd "$program" | grep -o '/[^ ]*' | while read -r library; do mkdir -p "$root${library%/*}" && cp -L "$library" "$root$library"; done
mount -t proc none "$root/proc"
exec chroot "$root" /srv/service "$@"
EOF

listed() { "$WEFT" list | awk -v pid="$1" '$1 == pid' | grep -q 'tokio 1\.'; }
# tickers DOCUMENT: how many of them a dump holds
tickers() {
	sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$1') AS TEXT), '\$.tasks') WHERE json_extract(value, '\$.name') LIKE '%::ticker::%'"
}

# seen NAME PID: its tasks, by list, record, diagnose and dump
seen() {
	DB=$TMP_E2E/$1.db
	listed "$2" || fail "$1: weft list does not show it"
	"$WEFT" record -p "$2" --duration 1 --level normal -o "$DB" > "$TMP_E2E/$1.record" 2>&1 || fail "$1: $(cat "$TMP_E2E/$1.record")"
	holds "$1: polls" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-poll'") > 20"
	equal "$1: tickers" "$(sql "$DB" "SELECT tasks FROM task_types WHERE name LIKE '%::ticker::%'")" 3
	diagnose "$1" -p "$2" --duration 1
	holds "$1: events that diagnose saw" "$(json "$TMP_E2E/$1.json" '$.events.stored') > 20"
	"$WEFT" dump -p "$2" --format json > "$TMP_E2E/$1.dump" || fail "$1: weft dump: exit code $?"
	equal "$1: tickers in the dump" "$(tickers "$TMP_E2E/$1.dump")" 3
}

top=$TMP_E2E/root
mkdir "$top"
start box unshare --pid --mount --fork --kill-child bash "$TMP_E2E/box.sh" "$top" "$program" tickers joiner
box=$PID
must 10 "the service in its box is up, as its first process" says "$TMP_E2E/box.out" '^ready 1'
read -r inner < "/proc/$box/task/$box/children" || true # no line end there
[ ! -e "$top/srv" ] || fail "the program is there to be seen from here, too"
top=/proc/$inner/root
seen box "$inner"
rm "$top/srv/service"
seen deleted "$inner"
cp "$WEFT" "$top/srv/service"
seen replaced "$inner"
kill -TERM "$inner"
join "$box" 20
equal "exit code of the service in its box" "$STATUS" 0

# Children carry the breakpoints, too; each polls tasks of its own. One that dies of it ends the service with 99.
start forks "$program" --wait forks tickers joiner
pid=$PID
must 10 "the workload is up" says "$TMP_E2E/forks.out" '^ready'
record forks -p "$pid" --level normal
recorder=$PID
kill -USR1 "$pid"
forked() { [ "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'process-fork'")" -ge 20 ]; }
must 20 "20 forks in the recording" forked
stop "$pid"
[ "$STATUS" = 0 ] || fail "a service that forks while it is watched: exit code $STATUS, $(cat "$TMP_E2E/forks.err")"
join "$recorder" 20
equal "exit code of weft record" "$STATUS" 0
accounting_is_exact "$DB"
tail -n +2 "$TMP_E2E/forks.out" > "$TMP_E2E/forks.json"
equal "spawns, the children's not among them" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-spawn'")" \
	"$(sqlite3 :memory: "SELECT sum(json_extract(value, '\$.spawned')) FROM json_each(CAST(readfile('$TMP_E2E/forks.json') AS TEXT), '\$.kinds')")"

# The kernel's pids are not those that weft has here: it says so, and does not show an empty recording.
cat > "$TMP_E2E/own.sh" << 'EOF'
weft=$1 program=$2 out=$3
"$program" tickers > "$out/own.service" &
until grep -q '^ready' "$out/own.service"; do sleep 0.05; done
"$weft" list
for words in "record --duration 1 -o $out/own.db" "diagnose --duration 1" dump; do "$weft" $words -p $!; echo "${words%% *}: exit code $?"; done
kill $!
EOF
start own unshare --pid --fork --kill-child --mount-proc bash "$TMP_E2E/own.sh" "$WEFT" "$program" "$TMP_E2E"
join "$PID" 30
says "$TMP_E2E/own.out" 'not: .*events: weft runs in a pid namespace of its own' || fail "weft list: $(cat "$TMP_E2E/own.out")"
for command in record diagnose dump; do
	says "$TMP_E2E/own.out" "$command: exit code 2" || fail "weft $command in a pid namespace: $(cat "$TMP_E2E/own.out")"
	says "$TMP_E2E/own.err" "weft $command: .*pid namespace of its own.*--pid=host" || fail "weft $command in a pid namespace: $(cat "$TMP_E2E/own.err")"
done
