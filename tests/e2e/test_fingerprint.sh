#!/usr/bin/env bash
# Task fingerprints: what a service prints in its log is what weft dump and a recording say of the task, and finds it there;
# in containers, in forked children and in a Rust service that computes its own.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" sqlite3

# fingerprint PID OWN_PID KIND TASK: the definition (runtime/fingerprint.h), once more. OWN_PID: in its pid namespace.
fingerprint() {
	local stat boot h=$((0xcbf29ce484222325)) i byte
	read -r boot < /proc/sys/kernel/random/boot_id
	stat=$(sed 's/.*) //' "/proc/$1/stat")
	stat=$(cut -d ' ' -f 20 <<< "$stat")
	for byte in $(printf %s "$boot" | od -An -v -tu1) \
		$(for i in {0..7}; do echo $((stat >> 8 * i & 255)); done) $(for i in {0..3}; do echo $(($2 >> 8 * i & 255)); done) "$3"; do
		h=$(((h ^ byte) * 0x100000001b3))
	done
	printf '%016x' $((h ^ $4))
}
# line NAME PATTERN FIELD: of the first line of a program's log with it
line() { grep -m 1 -- "$2" "$TMP_E2E/$1.out" | cut -d ' ' -f "$3"; }
logged() { must 10 "$1 logs $2" says "$TMP_E2E/$1.out" "$2"; }
# dumped PID NAME: that task's fingerprint, as JSON has it
dumped() {
	"$WEFT" dump -p "$1" --settle 0.2 --format json > "$TMP_E2E/dump.json"
	sqlite3 :memory: "SELECT json_extract(value, '\$.fingerprint') FROM json_each(CAST(readfile('$TMP_E2E/dump.json') AS TEXT), '\$.tasks')
		WHERE json_extract(value, '\$.name') = '$2'"
}

workload fork logger --variant fork --seconds 60
target=$PID
logged fork '^[0-9a-f]* order'
logged fork '^child .* order '
child=$(pgrep -P "$target")
equal "what the task prints" "$(line fork '^[0-9a-f]* shift' 1)" "$(fingerprint "$target" "$target" 1 "$(line fork '^[0-9a-f]* shift' 3)")"
equal "... and a child's" "$(line fork '^child .* shift' 2)" "$(fingerprint "$child" "$child" 1 "$(line fork '^child .* shift' 4)")"
shift_of_target=$(line fork '^[0-9a-f]* shift' 1)
equal "what weft dump says" "$(dumped "$target" shift)" "$shift_of_target"
equal "... of a child" "$(dumped "$child" shift)" "$(line fork '^child .* shift' 2)"

# Of its line alone; the other one has ended, and a third is somebody else's.
"$WEFT" dump -p "$target,$child" --settle 0.2 --task "$shift_of_target" > "$TMP_E2E/one.txt"
equal "tasks of that fingerprint" "$(grep -c " $shift_of_target\$" "$TMP_E2E/one.txt")" 1
equal "tasks in the answer" "$(grep -c '  age ' "$TMP_E2E/one.txt")" 1
# refused FINGERPRINT TEXT
refused() {
	"$WEFT" dump -p "$target" --settle 0.2 --task "$1" > /dev/null 2> "$TMP_E2E/err" && fail "weft dump --task $1 found one"
	says "$TMP_E2E/err" "$2" || fail "weft dump --task $1: $(cat "$TMP_E2E/err")"
}
refused "$(line fork '^[0-9a-f]* order' 1)" "task $(line fork '^[0-9a-f]* order' 3) of process $target is not there any more"
refused 0123456789abcdef "another process"
refused xyz "neither a fingerprint"

# In a recording: the long-lived one has a row, of the short ones there are events.
orders() { grep "^$1[0-9a-f]* order" "$TMP_E2E/fork.out"; }
more_orders() { [ "$(orders '' | wc -l)" -ge $((before + 5)) ] && [ "$(orders 'child ' | wc -l)" -ge $((before_child + 5)) ]; }
both_recorded() { [ "$(sqlite3 -readonly "$DB" 'SELECT count(*) FROM process')" = 2 ]; }
record log -p "$target,$child" --level normal
recorder=$PID
must 10 "both are recorded" both_recorded
before=$(orders '' | wc -l) before_child=$(orders 'child ' | wc -l)
must 10 "more orders" more_orders
stop "$recorder" INT
equal "exit code of weft record" "$STATUS" 0
clean_file "$DB"
equal "the row" "$(sql "$DB" "SELECT name, fingerprint FROM tasks WHERE fingerprint = '$shift_of_target'")" "shift,$shift_of_target"
equal "... in the stock shell" "$(sqlite3 -readonly "$DB" "SELECT count(*) FROM tasks WHERE name = 'shift' AND length(fingerprint) = 16")" 2
equal "its id" "$(sql "$DB" "SELECT task_of('$shift_of_target') = task FROM tasks WHERE fingerprint = '$shift_of_target'")" 1
last=$(orders '' | sed -n $((before + 2))p) # within the recording
equal "events of $last" "$(sql "$DB" "SELECT group_concat(kind) FROM (SELECT kind FROM events WHERE task = task_of('${last%% *}')
	AND kind IN ('task-spawn', 'task-poll', 'task-end') ORDER BY t_ns)")" '"task-spawn,task-poll,task-end"'
equal "... of a child's" "$(sql "$DB" "SELECT count(*) > 0 FROM events WHERE kind = 'task-spawn' AND task = task_of('$(
	orders 'child ' | sed -n $((before_child + 2))p | cut -d ' ' -f 2)')")" 1
equal "of nobody" "$(sql "$DB" "SELECT task_of('0123456789abcdef') IS NULL, task_of('order') IS NULL, task_of(NULL) IS NULL")" 1,1,1
equal "with the extension" "$(sqlite3 -readonly "$DB" -cmd ".load $BUILD/weft_events" "SELECT task_of('$shift_of_target') & 0xffffffffff")" \
	"$(line fork '^[0-9a-f]* shift' 3)"
stop "$target"

# In namespaces of its own the program has another pid and counts its start from another moment: they agree all the same.
if unshare --pid --fork --mount-proc --time --boottime 100000 true 2> /dev/null; then
	start inside unshare --pid --fork --mount-proc --time --boottime 100000 "$WORKLOADS/logger" --seconds 60
	outer=$PID
	logged inside ' shift '
	inner=$(pgrep -P "$outer")
	holds "its own pid" "'$(about inside pid)' <> '$inner'"
	equal "in a container" "$(dumped "$inner" shift)" "$(line inside ' shift ' 1)"
	kill -TERM "$inner"
	join "$outer" 20
fi

# A Rust service on Tokio that prints its own, by the code that `weft explain fingerprint` gives it.
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"
libs=${program%/*}/deps
tokio=("$libs"/libtokio-*.rlib)
[ ${#tokio[@]} = 1 ] || mapfile -t tokio < <(ls -t "${tokio[@]}")
{
	awk '/^### tokio/ { on = 1 } on && /^```$/ { exit } code; on && /^```rust/ { code = 1 }' tui/knowledge/fingerprint.md
	cat << 'END'
fn main() {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    rt.block_on(async {
        for _ in 0..2 {
            tokio::spawn(async {
                println!("{} guest", fingerprint(&tokio::task::id().to_string()));
                loop { tokio::time::sleep(std::time::Duration::from_millis(20)).await; }
            });
        }
        tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    });
}
END
} > "$TMP_E2E/guest.rs"
PATH=$PATH:$HOME/.cargo/bin rustc --edition 2021 -C opt-level=1 -L "dependency=$libs" --extern "tokio=${tokio[0]}" -o "$TMP_E2E/guest" "$TMP_E2E/guest.rs"
start guest "$TMP_E2E/guest"
target=$PID
both() { [ "$(grep -c guest "$TMP_E2E/guest.out")" = 2 ]; }
must 10 "two lines of the service" both
"$WEFT" dump -p "$target" --settle 1 --format json > "$TMP_E2E/guest.json"
equal "of the tasks on Tokio" "$(sqlite3 :memory: "SELECT json_extract(value, '\$.fingerprint') || ' guest'
	FROM json_each(CAST(readfile('$TMP_E2E/guest.json') AS TEXT), '\$.tasks') ORDER BY 1")" "$(sort "$TMP_E2E/guest.out")"
one=$(sqlite3 :memory: "SELECT json_extract(value, '\$.native_id') || ' ' || json_extract(value, '\$.fingerprint')
	FROM json_each(CAST(readfile('$TMP_E2E/guest.json') AS TEXT), '\$.tasks') LIMIT 1")
equal "by its definition" "${one#* }" "$(fingerprint "$target" "$target" 2 "${one% *}")"
record guest -p "$target" --level normal --duration 2
join "$PID" 20
equal "in a recording" "$(sql "$DB" "SELECT fingerprint || ' guest' FROM tasks ORDER BY 1")" "$(sort "$TMP_E2E/guest.out")"
stop "$target"
