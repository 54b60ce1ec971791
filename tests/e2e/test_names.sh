#!/usr/bin/env bash
# Task names that attack the terminal, the JSON, the SQL and the report of whoever shows them.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

# clean_text FILE: UTF-8 without control characters but newline, and without characters that turn the writing direction.
clean_text() {
	[ -s "$1" ] || fail "$1 is empty"
	iconv -f UTF-8 -t UTF-8 "$1" > /dev/null || fail "$1 is not UTF-8"
	if tr -d '\n' < "$1" | LC_ALL=C grep -qaP '[\x00-\x08\x0b-\x1f\x7f]'; then
		fail "control characters in $1: $(tr -d '\n' < "$1" | LC_ALL=C grep -oaP '.{0,20}[\x00-\x08\x0b-\x1f\x7f].{0,20}' | head -n 3 | od -c | head -n 8)"
	fi
	if LC_ALL=C grep -qaP '\xe2\x80[\xaa-\xae]|\xc2[\x80-\x9f]' "$1"; then fail "direction or C1 controls in $1"; fi
}

workload names nasty_names --seconds 60
target=$PID
record names -p "$target" --level normal --duration 2
join "$PID" 20
equal "exit" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
"$WEFT" query "$DB" 'SELECT task, name, polls FROM tasks' --format table > "$TMP_E2E/table"
clean_text "$TMP_E2E/table"
"$WEFT" query "$DB" 'SELECT name FROM tasks' --format json > "$TMP_E2E/query.json"
clean_text "$TMP_E2E/query.json"
equal "JSON of a query" "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$TMP_E2E/query.json') AS TEXT))")" 1
holds "the names are kept" "$(sql "$DB" "SELECT count(*) FROM tasks WHERE name LIKE '%DROP TABLE%'") >= 1"
holds "tasks" "$(sql "$DB" 'SELECT count(DISTINCT name) FROM tasks') >= 6"
label="trace_id=\"4bf9'"$'\033[2J'
equal "labels" "$(sql "$DB" "SELECT DISTINCT hex(text) FROM events WHERE kind = 'label'")" "$(printf %s "$label" | od -An -tx1 | tr -d ' \n' | tr a-f A-F)"
holds "... of tasks" "$(sql "$DB" "SELECT count(DISTINCT task) FROM events WHERE kind = 'label'") >= 8"
"$WEFT" query "$DB" "SELECT text FROM events WHERE kind = 'label'" --format table > "$TMP_E2E/labels"
clean_text "$TMP_E2E/labels"
"$WEFT" report "$DB" > "$TMP_E2E/report" || [ $? -eq 1 ] || fail "weft report"
clean_text "$TMP_E2E/report"
"$WEFT" dump -p "$target" --format text > "$TMP_E2E/dump"
clean_text "$TMP_E2E/dump"
"$WEFT" dump -p "$target" --format json > "$TMP_E2E/dump.json"
clean_text "$TMP_E2E/dump.json"
equal "JSON of a dump" "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$TMP_E2E/dump.json') AS TEXT))")" 1
"$WEFT" list > "$TMP_E2E/list"
clean_text "$TMP_E2E/list"
stop "$target"
