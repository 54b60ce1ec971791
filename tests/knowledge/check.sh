#!/usr/bin/env bash
# Builds the code of tui/knowledge/ against the C runtime of this tree and the newest crates. One line for each piece that does
# not do what its words say; non-zero then.
#   check.sh c        the C pieces                       check.sh rust      the Rust pieces but those marked `full`
#   check.sh full     those: hyper, sqlx, tonic, ...     check.sh fails     the ones that rustc has to refuse or warn of
#   check.sh evidence the programs of evidence/, run: what is said not to work does not, what is said of panics and handles is so
# KNOWLEDGE_DIR: where to work (a temporary folder), for a warm cargo cache. WEFT: the program, for `fails`.
set -u
cd "$(dirname "$0")/../.." || exit 1
root=$PWD
weft=${WEFT:-$root/build/weft}
work=${KNOWLEDGE_DIR:-}
mkdir -p "${work:-/tmp}"
if [ -z "$work" ]; then
	work=$(mktemp -d) || exit 1
	trap 'rm -rf "$work"' EXIT
fi
bad=0
say() {
	echo "knowledge: $*"
	bad=1
}

light_tokio='tokio = { version = "1", features = ["full"] }'
light_async_std='async-std = { version = "1", features = ["attributes", "unstable"] }'
light_smol='smol = "2"
event-listener = "5"
async-compat = "0.2"'
light='futures = "0.3"
serde_json = "1"'
full='hyper = { version = "1", features = ["http1", "server"] }
smol-hyper = "0.1"
tower-service = "0.3"
axum = "0.8"
reqwest = { version = "0.12", default-features = false }
sqlx = { version = "0.8", default-features = false, features = ["sqlite", "runtime-tokio"] }
tonic = "0.14"
async-compat = "0.2"
futures-rustls = { version = "0.26", default-features = false, features = ["ring"] }
async-tungstenite = { version = "0.29", features = ["handshake"] }
tracing = "0.1"
rayon = "1"
futures = "0.3"'
full_tokio='hyper-util = { version = "0.1", features = ["tokio"] }
actix-web = "4"
tokio-rustls = { version = "0.26", default-features = false, features = ["ring"] }
tokio-tungstenite = "0.27"
tokio-util = { version = "0.7", features = ["compat"] }'
full_async_std='tide = "0.16"'
full_smol=''

# crate DIR DEPENDENCIES PRELUDE...
crate() {
	local dir=$1 dependencies=$2
	shift 2
	mkdir -p "$work/$dir/src" "$work/$dir/examples"
	find "$work/$dir/src" "$work/$dir/examples" -name '*.rs' -delete
	printf '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2021"\nautobins = false\n[dependencies]\n%s\n' "$dir" "$dependencies" > "$work/$dir/Cargo.toml"
	cat "$@" > "$work/$dir/src/lib.rs"
}

workspace() {
	local members=$1
	printf '[workspace]\nresolver = "2"\nmembers = [%s]\n' "$members" > "$work/Cargo.toml"
}

# Folders for every piece; which of them are built is the workspace's matter.
extract() {
	local r key
	mkdir -p "$work/c"
	rm -f "$work"/c/*.c "$work/pieces.txt"
	for r in tokio async-std smol; do
		key=${r//-/_}
		local light_key=light_$key full_key=full_$key
		crate "$r" "${!light_key}"$'\n'"$light" tests/knowledge/prelude.rs
		crate "bad-$r" "${!light_key}" tests/knowledge/prelude.rs
		crate "full-$r" "${!light_key}"$'\n'"${full/async-compat = \"0.2\"$'\n'/$([ "$r" = smol ] || echo 'async-compat = "0.2"')$'\n'}"$'\n'"${!full_key}" \
			tests/knowledge/prelude.rs tests/knowledge/prelude_full.rs
	done
	find tui/knowledge -name '*.md' ! -name README.md | sort | xargs awk -v out="$work" -f tests/knowledge/extract.awk || exit 1
}

check_c() {
	local word file topic
	while read -r word file topic; do
		[ "$word" = c ] || continue
		${CC:-cc} -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter -Wno-misleading-indentation \
			-fsyntax-only "$work/$file" || say "$topic: the C code of $file does not compile"
	done < "$work/pieces.txt"
	echo "$(grep -c '^c ' "$work/pieces.txt") pieces of C"
}

# cargo names the file of each error; the first of them is shown whole.
check_builds() {
	workspace "$1"
	if ! (cd "$work" && cargo check -q --workspace --lib --keep-going 2> cargo.err); then
		grep -A 12 '^error' "$work/cargo.err" | head -n "${KNOWLEDGE_LINES:-60}"
		say "code does not compile"
	fi
	echo "$(grep -c "^$2 " "$work/pieces.txt") pieces of Rust"
}

# Each piece, by itself, has to give the id of its topic.
check_fails() {
	local word file topic out n=0
	workspace "$light_members"
	(cd "$work" && cargo check -q --workspace --lib) || say "what the pieces build on does not compile"
	while read -r word file topic; do
		[ "$word" = fails ] || [ "$word" = warns ] || continue
		n=$((n + 1))
		local rc=0 package=${file%%/*} example
		example=$(basename "$file" .rs)
		(cd "$work" && touch "$file" && cargo check -q -p "$package" --example "$example" --message-format=json > out.json 2> cargo.err) || rc=$?
		[ "$word" = warns ] || [ $rc -ne 0 ] || say "$topic: $file compiles, it should be refused"
		[ "$word" = fails ] || [ $rc -eq 0 ] || say "$topic: $file is refused, it should be warned of"
		out=$("$weft" diagnose --cargo "$work/out.json" --only "$topic" 2>&1)
		[ $? -eq 1 ] || say "$topic: weft diagnose --cargo does not find it in $file: $out"
		# The same from rustc's text, as a person pastes it.
		if [ "$word" = fails ]; then
			(cd "$work" && touch "$file" && cargo check -q -p "$package" --example "$example" 2>&1 | "$weft" explain -) > "$work/explained"
			head -n 1 "$work/explained" | grep -qx "$topic" || say "$topic: weft explain does not find it in rustc's text of $file: $(head -n 3 "$work/explained")"
		fi
	done < "$work/pieces.txt"
	echo "$n pieces that rustc refuses or warns of"
}

# The crates that the evidence is about; tests/knowledge/evidence/ says what each program has to do.
evidence='tokio = { version = "1", features = ["full"] }
async-std = { version = "1", features = ["attributes", "unstable"] }
smol = "2"
async-compat = "0.2"
futures = "0.3"
axum = "0.8"
actix-web = { version = "4", default-features = false, features = ["macros"] }
tide = "0.16"
hyper = { version = "1", features = ["http1", "server"] }
smol-hyper = "0.1"
tower-service = "0.3"
reqwest = { version = "0.12", default-features = false }
sqlx = { version = "0.8", default-features = false, features = ["sqlite", "runtime-tokio"] }
tonic = "0.14"'
evidence_alone='async-std = "1"
smol = "2"
sqlx = { version = "0.8", default-features = false, features = ["sqlite", "runtime-async-std"] }'

# Those of evidence/ are built as examples, so that one that rustc refuses stops no other.
evidence_crates() {
	local file
	crate evidence "$evidence" tests/knowledge/evidence/lib.rs
	crate evidence-alone "$evidence_alone" /dev/null
	workspace '"evidence", "evidence-alone"'
	printf '[profile.dev]\ndebug = 0\n' >> "$work/Cargo.toml"
	for file in tests/knowledge/evidence/*.rs; do
		case ${file##*/} in
		lib.rs) ;;
		alone_*) cp "$file" "$work/evidence-alone/examples/" ;;
		*) cp "$file" "$work/evidence/examples/" ;;
		esac
	done
	# Apart: together the features of one would be the other's.
	(cd "$work" && cargo build -q -p evidence --lib && cargo build -q -p evidence --examples --keep-going 2> evidence.err
		cargo build -q -p evidence-alone --examples) || say "what the evidence builds on does not compile"
}

# run_evidence FILE WORD TEXT
run_evidence() {
	local name rc=0
	name=$(basename "$1" .rs)
	if [ "$2" = refused ]; then
		(cd "$work" && cargo build -q -p evidence --example "$name" > /dev/null 2> out) && say "$1 compiles"
		grep -qF "$3" "$work/out" || say "$1: rustc does not say: $3"
		return
	fi
	timeout 30 "$work/target/debug/examples/$name" > "$work/out" 2>&1 < /dev/null || rc=$?
	[ "$rc" = "$([ "$2" = panics ] && echo 101 || echo 0)" ] || say "$1: exit code $rc: $(head -n 3 "$work/out")"
	case $2 in panics | threads) grep -qF "$3" "$work/out" || say "$1: does not say: $3" ;; esac
}

# Each cell of compat.md that says no, or that an adapter is needed, has a program that shows it.
check_cells() {
	local crate runtime
	while read -r crate runtime; do
		grep -qE "^// compat $crate $runtime (panics|refused|threads): " tests/knowledge/evidence/*.rs ||
			say "compat: nothing shows that $crate needs more than $runtime"
	done < <(awk '/^## / { crate = $2 } /^### / { runtime = $2 } /^(no|adapter): / && runtime != "weft" { print crate, runtime }' tui/knowledge/compat.md)
}

check_evidence() {
	local file word text n=0
	check_cells
	evidence_crates
	while IFS=: read -r file word text; do
		n=$((n + 1))
		run_evidence "$file" "${word##* }" "${text# }"
	done < <(grep -E '^// (compat|migrate) ' tests/knowledge/evidence/*.rs)
	echo "$n programs of evidence"
}

light_members='"tokio", "async-std", "smol", "bad-tokio", "bad-async-std", "bad-smol"'
extract
for what in "$@"; do
	case $what in
	c) check_c ;;
	rust) check_builds "$light_members" builds ;;
	full) check_builds '"full-tokio", "full-async-std", "full-smol"' full ;;
	fails) check_fails ;;
	evidence) check_evidence ;;
	*) echo "usage: check.sh c|rust|full|fails|evidence..." >&2; exit 2 ;;
	esac
done
exit $bad
