#!/usr/bin/env bash
# weft explain as a contract, and what it says held against compilers: every piece of C against this tree, every light piece of
# Rust against the newest crates; the ones that rustc has to refuse lead to their topic. Needs crates.io for the Rust ones.
# timeout: 400
# beside
. "$(dirname "$0")/lib.sh"
need "$WEFT" cargo sqlite3

# run CODE ARGS...: stdin from $IN
run() {
	local code=$1
	shift
	STATUS=0
	"$WEFT" explain "$@" > "$TMP_E2E/out" 2> "$TMP_E2E/err" < "${IN:-/dev/null}" || STATUS=$?
	[ "$STATUS" = "$code" ] || { cat "$TMP_E2E/err" >&2; fail "weft explain $*: exit $STATUS, should be $code"; }
}
first() { equal "first line of weft explain" "$(head -n 1 "$TMP_E2E/out")" "$1"; }
out() { says "$TMP_E2E/out" "$1" || { cat "$TMP_E2E/out" >&2; fail "output lacks: $1"; }; }

# Every topic that is listed can be asked for, in both forms; every id of a report is listed.
run 0
sed -n 's/^  \([a-z-]*\)  .*/\1/p' "$TMP_E2E/out" > "$TMP_E2E/topics"
holds "topics" "$(wc -l < "$TMP_E2E/topics") >= 24"
while read -r topic; do
	if [ "$topic" = migrate ]; then continue; fi
	run 0 "$topic"
	holds "lines about $topic" "$(wc -l < "$TMP_E2E/out") > 10"
	run 0 "$topic" --format json
	equal "topic of the JSON" "$(json "$TMP_E2E/out" '$.topic')" "$topic"
	holds "parts of $topic" "json_array_length('$(json "$TMP_E2E/out" '$.parts' | sed "s/'/''/g")') > 3"
done < "$TMP_E2E/topics"
for a in weft tokio async-std smol; do
	for b in weft tokio async-std smol; do
		[ "$a" != "$b" ] || continue
		run 0 migrate "$a" "$b"
		first "$a to $b"
		for what in 'block on' spawn sleep tcp files channels entry detach; do out "^$what$"; done
	done
done
run 0 migrate async-std smol
out 'discontinued in favour of smol'
run 2 migrate tokio tokio
run 2 migrate tokio
run 2 migrate tokio glommio
run 0 compat hyper
run 2 compat no-such-crate
run 2 not-sendd
says "$TMP_E2E/err" 'did you mean not-send?' || fail "no proposal: $(cat "$TMP_E2E/err")"

# Errors as they are printed.
run 0 -- "thread 'main' panicked at src/main.rs:5: there is no reactor running, must be called from the context of a Tokio 1.x runtime"
first 'mixed-runtimes: panics, odd stalls, twice the threads'
run 0 -- "error[E0277]: \`Rc<i32>\` cannot be sent between threads safely"
first not-send
run 1 -- "all is well, nothing to see"
IN=tests/knowledge/pasted_error.txt
run 0 -
first not-send
out 'src/main.rs:6:9'
out 'Arc<Mutex<..>> instead of Rc<RefCell<..>>'
run 0 # a file on stdin needs no -
first not-send
run 0 - --format json
equal "what rustc meant" "$(json "$TMP_E2E/out" '$.finding.name')" 'Rc<RefCell<u32>>'
IN=

# What the knowledge says is true: compilers agree.
tests/knowledge/check.sh c
export KNOWLEDGE_DIR=$TMP_E2E/knowledge CARGO_TERM_COLOR=never TERM=dumb
mkdir -p "$KNOWLEDGE_DIR"
tests/knowledge/check.sh rust fails
