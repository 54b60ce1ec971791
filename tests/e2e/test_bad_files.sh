#!/usr/bin/env bash
# Files that are no recording, or no longer one: exit 2 and one line, by each command that reads one.
# beside
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

workload truth truth --wait --count 2000
record good -p "$PID" --level normal
kill -USR1 "$(about truth pid)"
join "$PID" 40
good=$DB

refused() {
	local file=$1 command
	for command in query report diagnose; do
		local args=("$command" "$file")
		[ $command != query ] || args+=("SELECT count(*) FROM events")
		STATUS=0
		timeout 20 "$WEFT" "${args[@]}" > "$TMP_E2E/out" 2> "$TMP_E2E/err" || STATUS=$?
		equal "exit of weft $command ${file##*/}" "$STATUS" 2
		equal "lines of the message for ${file##*/}: $(cat "$TMP_E2E/err")" "$(wc -l < "$TMP_E2E/err")" 1
		says "$TMP_E2E/err" "${file##*/}" || fail "the message does not name the file: $(cat "$TMP_E2E/err")"
	done
}

refused "$TMP_E2E/missing.db"
: > "$TMP_E2E/empty.db" && refused "$TMP_E2E/empty.db"
head -c 100000 /dev/urandom > "$TMP_E2E/garbage.db" && refused "$TMP_E2E/garbage.db"
mkdir "$TMP_E2E/directory.db" && refused "$TMP_E2E/directory.db"
sqlite3 "$TMP_E2E/foreign.db" 'CREATE TABLE chunk(a); CREATE TABLE tasks(task); INSERT INTO tasks VALUES(1)'
refused "$TMP_E2E/foreign.db"
head -c 60 "$good" > "$TMP_E2E/header.db" && refused "$TMP_E2E/header.db"
cp "$good" "$TMP_E2E/newer.db" && sqlite3 "$TMP_E2E/newer.db" 'PRAGMA user_version = 9999'
refused "$TMP_E2E/newer.db"

# Damaged further in: what can be read may be shown, but it ends with a message, never with a signal.
survives() {
	local file=$1 command
	for command in "query $file SELECT(count(*))FROM(events)" "report $file" "diagnose $file"; do
		STATUS=0
		# shellcheck disable=SC2086
		timeout 20 "$WEFT" $command > "$TMP_E2E/out" 2> "$TMP_E2E/err" || STATUS=$?
		holds "weft $command ends in order" "$STATUS <= 3"
	done
}
size=$(stat -c %s "$good")
for part in 3 5 8; do
	head -c $((size * part / 10)) "$good" > "$TMP_E2E/cut$part.db"
	survives "$TMP_E2E/cut$part.db"
done
# One byte in a thousand is another one: chunks, page headers, text.
for seed in 1 2 3; do
	cp "$good" "$TMP_E2E/flip$seed.db"
	for at in $(awk -v seed=$seed -v size="$size" 'BEGIN { srand(seed); for (i = 0; i < size / 1000 && i < 200; i++) print int(100 + rand() * (size - 100)) }'); do
		printf '\xa5' | dd of="$TMP_E2E/flip$seed.db" bs=1 seek="$at" conv=notrunc status=none
	done
	survives "$TMP_E2E/flip$seed.db"
done
# Written by somebody else, to do harm: a trigger, a view with another meaning, SQL that writes.
cp "$good" "$TMP_E2E/evil.db"
sqlite3 "$TMP_E2E/evil.db" "CREATE TRIGGER t AFTER UPDATE ON session BEGIN SELECT writefile('$TMP_E2E/new.db', 'x'); END;
	DROP VIEW findings; CREATE VIEW findings AS SELECT writefile('$TMP_E2E/new.db', 'x') AS id, load_extension('/no/such') AS cause"
survives "$TMP_E2E/evil.db"
STATUS=0
timeout 20 "$WEFT" query "$TMP_E2E/evil.db" 'SELECT * FROM findings' > /dev/null 2> "$TMP_E2E/err" || STATUS=$?
equal "a view that wants to write a file" "$STATUS" 2
STATUS=0
"$WEFT" query "$TMP_E2E/evil.db" "ATTACH '$TMP_E2E/new.db' AS x; CREATE TABLE x.t(a)" > /dev/null 2> "$TMP_E2E/err" || STATUS=$?
equal "ATTACH" "$STATUS" 2
[ ! -e "$TMP_E2E/new.db" ] || fail "a query made a file"
STATUS=0
for change in "DELETE FROM task_row" "UPDATE session SET weft = 'x'" "DROP TABLE chunk" "PRAGMA user_version = 7" "VACUUM"; do
	STATUS=0
	"$WEFT" query "$TMP_E2E/evil.db" "$change" > /dev/null 2> "$TMP_E2E/err" || STATUS=$?
	equal "$change" "$STATUS" 2
	equal "lines of the message of $change" "$(wc -l < "$TMP_E2E/err")" 1
done
equal "what was there" "$(sqlite3 "$TMP_E2E/evil.db" 'SELECT count(*) FROM chunk')" "$(sqlite3 "$good" 'SELECT count(*) FROM chunk')"
