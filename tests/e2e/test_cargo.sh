#!/usr/bin/env bash
# What the compiler of this machine says of a broken crate, read afresh: by rustc alone, and by cargo with the newest Tokio.
# Needs crates.io for the second.
# timeout: 300
# beside
. "$(dirname "$0")/lib.sh"
need "$WEFT" cargo rustc
cd "$TMP_E2E"

crate() {
	mkdir -p "$1/src"
	printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n%s\n[workspace]\n' "$1" "$2" > "$1/Cargo.toml"
	cat > "$1/src/main.rs"
}
found() { jq_ids "$1" | grep -qx "$2" || fail "$2 was not found: $(cat "$1")"; }
jq_ids() { sed -n '/"findings"/,$s/^ *"id": "\([a-z-]*\)",*$/\1/p' "$1"; }

# ---- rustc alone, no crate

cat > plain.rs << 'E'
use std::{future::Future, rc::Rc};
fn spawn<F: Future + Send + 'static>(_: F) {}
async fn pause() {}
async fn session() {
    let shared = Rc::new(1);
    pause().await;
    drop(shared);
}
fn main() {
    spawn(session());
}
E
cat > unpin.rs << 'E'
async fn work() {}
async fn run() {
    let mut f = work();
    (&mut f).await;
}
fn main() {
    drop(run());
}
E
for c in plain unpin; do
	STATUS=0
	rustc --edition 2021 --error-format=json --emit metadata -o out.meta $c.rs 2> $c.json || STATUS=$?
	equal "rustc refuses $c.rs" "$STATUS" 1
	STATUS=0
	"$WEFT" diagnose --cargo $c.json --format json > $c.out || STATUS=$?
	equal "exit code for $c.rs" "$STATUS" 1
done
# The same through a pipe.
STATUS=0
"$WEFT" diagnose --cargo - --format json < <(cat plain.json) > piped.out || STATUS=$?
equal "exit code for a pipe" "$STATUS" 1
cmp plain.out piped.out || fail "a pipe is read otherwise than a file"
STATUS=0
: | "$WEFT" diagnose --cargo - > piped.out 2> piped.err || STATUS=$?
equal "exit code for an empty pipe: $(cat piped.err)" "$STATUS" 2
found plain.out not-send
says plain.out '"location": "plain.rs:5:9"' || fail "the held value is not named: $(cat plain.out)"
says plain.out 'std::sync::Arc instead of Rc' || fail "no advice: $(cat plain.out)"
found unpin.out not-unpin
says unpin.out '"location": "unpin.rs:4:' || fail "the place is not named: $(cat unpin.out)"

# ---- cargo with Tokio: cargo's own text stays as it is, the advice stands beneath it

crate gated 'tokio = { version = "1", features = ["rt"] }' << 'E'
use tokio::net::TcpListener;
fn main() {
    let _ = TcpListener::bind("127.0.0.1:0");
}
E
cd gated
export CARGO_TARGET_DIR=$TMP_E2E/target CARGO_TERM_COLOR=never TERM=dumb
if ! timeout 120 cargo fetch -q 2> "$TMP_E2E/fetch.err"; then skip "crates.io can't be reached: $(head -n 1 "$TMP_E2E/fetch.err")"; fi
cargo check -q 2> cargo.err && fail "cargo builds it"
STATUS=0
touch src/main.rs
"$WEFT" cargo check -q 2> weft.err || STATUS=$?
equal "exit code is cargo's" "$STATUS" 101
says weft.err 'cargo add tokio --features net' || fail "no command to run: $(cat weft.err)"
says weft.err 'not what rustc proposes: std::net' || fail "rustc's proposal is not answered: $(cat weft.err)"
while IFS= read -r line; do
	grep -qxF -- "$line" weft.err || fail "this line of cargo's is missing or changed: $line"
done < cargo.err

# cargo-weft on PATH is a command of cargo: the same text, the same exit code, the advice beneath the message that it is about.
mkdir "$TMP_E2E/bin"
ln -s "$WEFT" "$TMP_E2E/bin/cargo-weft"
with_link() { PATH=$TMP_E2E/bin:$PATH cargo weft "$@"; }
for command in check build; do
	touch src/main.rs
	STATUS=0
	cargo $command -q 2> cargo.err || STATUS=$?
	equal "exit code of cargo $command" "$STATUS" 101
	touch src/main.rs
	STATUS=0
	with_link $command -q > link.out 2> link.err || STATUS=$?
	equal "exit code of cargo weft $command" "$STATUS" 101
	equal "stdout of cargo weft $command" "$(cat link.out)" ""
	# What Weft adds is one block, beneath the first message; without it this is cargo's text.
	sed '/^  weft: /,/^$/d' link.err | diff cargo.err - || fail "cargo weft $command: cargo's text is not as it was"
	added=$(sed -n '/^  weft: /,/^$/p' link.err)
	[[ $added == *"missing-feature"*"cargo add tokio --features net"* ]] || fail "cargo weft $command adds: $added"
	before=$(sed '/^  weft: /,$d' link.err)
	[[ $before == error\[E0432\]*"main.rs:1:"* ]] || fail "the advice is not beneath the error: $(cat link.err)"
done
STATUS=0
with_link run 2> link.err || STATUS=$?
equal "exit code of cargo weft run" "$STATUS" 2
says link.err 'build, check, test' || fail "cargo weft run: $(cat link.err)"
# The same behind a pipe from cargo.
touch src/main.rs
STATUS=0
{ cargo check -q --message-format=json 2> cargo.err || true; } | "$WEFT" diagnose --cargo - > piped.out || STATUS=$?
equal "exit code of diagnose behind cargo" "$STATUS" 1
says piped.out 'missing-feature' || fail "not found in the pipe: $(cat piped.out)"

# The cure is one: done as told, it builds, and nothing is found.
sed -i 's/\["rt"\]/["rt", "net"]/' Cargo.toml
STATUS=0
"$WEFT" cargo check -q 2> weft.err || STATUS=$?
equal "exit code after the cure: $(cat weft.err)" "$STATUS" 0
cargo check -q --message-format=json > clean.json
STATUS=0
"$WEFT" diagnose --cargo clean.json > clean.out || STATUS=$?
equal "diagnose of a clean build: $(cat clean.out)" "$STATUS" 0

# A program's own output passes through, and its exit code.
crate tested '' << 'E'
fn main() {}
#[test]
fn fine() {
    println!("{{\"reason\":\"mine\"}}");
    println!("own words");
}
E
cd "$TMP_E2E"/gated/tested
"$WEFT" cargo test -q -- --nocapture > out 2> err
says out 'own words' || fail "the test's output is lost: $(cat out err)"
with_link test -q -- --nocapture > out 2> err
says out 'own words' || fail "the test's output is lost behind the link: $(cat out err)"
cat >> src/main.rs << 'E'
#[test]
fn broken() {
    panic!("as it should");
}
E
STATUS=0
with_link test -q > out 2> err || STATUS=$?
equal "exit code of a test that fails" "$STATUS" 101
says out 'as it should' || fail "why it failed is lost: $(cat out err)"
