#!/usr/bin/env bash
# What a compiler does not say. One line for each fault; non-zero when there is one.
#   lint.sh             all checks                  lint.sh --fast     without clang-tidy
#   lint.sh --format    formats in place instead    lint.sh --prefixes only the report on names
# Environment: BUILD (build), LINT_TIDY_SECONDS (170: files not reached by then are named, and analysed next time).
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
errors=0

# Files that git knows or could know, without the kernel's types, which are generated.
files() {
	git ls-files -co --exclude-standard -- "$@" | grep -v vmlinux | while IFS= read -r f; do [ -f "$f" ] && echo "$f"; done
}
tool() {
	local c
	for c in "$1" "$1"-{19..14}; do command -v "$c" && return; done
	echo "lint.sh: $1 not found; run scripts/install_deps.sh" >&2
	return 1
}
fault() {
	[ -n "$1" ] || return 0
	echo "$1"
	errors=$((errors + $(echo "$1" | wc -l)))
}

check_format() {
	local clang_format
	clang_format=$(tool clang-format) || { errors=$((errors + 1)); return; }
	fault "$(files '*.c' '*.h' | xargs -r "$clang_format" --dry-run -Werror 2>&1 |
		sed -n 's/^\([^ ]*:[0-9]*\):[0-9]*: error: code should be clang-formatted.*/\1/p' |
		awk -F: '!n[$1]++ { first[$1] = $2; order[++k] = $1 }
			END { for (i = 1; i <= k; i++) printf "%s:%d: not formatted, %d places (make format)\n", order[i], first[order[i]], n[order[i]] }')"
}

check_lengths() {
	fault "$(files '*.c' '*.h' | xargs -r wc -l |
		awk '$2 != "total" && $1 > 600 { print $2 ": " $1 " lines, at most 600" }')"
	fault "$(files '*.c' | grep -v '^tests/' | xargs -r awk 'FNR == 1 { s = 0 } /^\{/ { s = FNR }
		/^\}/ { if (s && FNR - s > 60) printf "%s:%d: function of %d lines, at most 60\n", FILENAME, s, FNR - s; s = 0 }')"
}

# Brackets keep this file from finding itself.
check_words() {
	local words='T[O]DO|F[I]XME|(^|[^X])X[X]X([^X]|$)|not implement[e]d|placehold[e]r|for n[o]w|st[u]b'
	fault "$(files '*.c' '*.h' '*.sh' Makefile .ci/run | xargs -r grep -nHE "$words" |
		sed -E 's/^([^:]*:[0-9]*):(.*)/\1: marks something unfinished:\2/' | cut -c1-160)"
}

# Locals that don't survive an await.
check_awaits() {
	fault "$(files '*.c' | grep -E '^(runtime|tests)/' | xargs -r scripts/lint_await.sh)"
}

# A file is analysed again when it, or what it includes, is newer than its last clean analysis.
tidy_is_due() {
	local stamp=$build/tidy/$1.ok deps
	[ -f "$stamp" ] || return 0
	[ "$stamp" -nt .clang-tidy ] || return 0
	deps=$(sed -e 's/\\$//' "$build/obj/${1%.c}.d" 2> /dev/null | tr ' ' '\n' | grep '^[a-z].*\.[ch]$')
	# shellcheck disable=SC2086
	[ -n "$(find $1 $deps -newer "$stamp" 2> /dev/null)" ]
}

tidy_one() {
	local f=$1 out
	if [ "$(date +%s)" -ge "$deadline" ]; then
		echo "$f" >> "$build/tidy/not_reached"
		return 0
	fi
	mkdir -p "$build/tidy/${f%/*}"
	out=$("$clang_tidy" --quiet -p "$build" "$f" 2> /dev/null |
		grep -E '(error|warning): ' | grep -v "^$PWD/$build/\|^$build/" | sed "s|^$PWD/||" | sort -u)
	if [ -z "$out" ]; then : > "$build/tidy/$f.ok"; return 0; fi
	rm -f "$build/tidy/$f.ok"
	echo "$out"
}

check_tidy() {
	local f due=()
	clang_tidy=$(tool clang-tidy) || { errors=$((errors + 1)); return; }
	if [ ! -f "$build/compile_commands.json" ]; then
		echo "lint.sh: $build/compile_commands.json is missing; run: make compdb" >&2
		errors=$((errors + 1))
		return
	fi
	mkdir -p "$build/tidy"
	rm -f "$build/tidy/not_reached"
	deadline=$(($(date +%s) + ${LINT_TIDY_SECONDS:-170}))
	# Newest first: what is being worked on is reached before the time is up.
	while IFS= read -r f; do
		tidy_is_due "$f" && due+=("$f")
	done < <(files '*.c' | grep -E '^(runtime|probes|collector|tui)/' | grep -v '\.bpf\.c$' | xargs -r ls -t)
	export build clang_tidy deadline
	export -f tidy_one
	[ ${#due[@]} -eq 0 ] ||
		fault "$(printf '%s\0' "${due[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'tidy_one {}' | sort -u)"
	[ ! -f "$build/tidy/not_reached" ] ||
		echo "lint.sh: time was up before these were analysed: $(sort "$build/tidy/not_reached" | tr '\n' ' ')"
}

# Report, never a fault: exported functions of x.c are named x_*.
report_prefixes() {
	local f stem total=0 off=0 o
	while IFS= read -r f; do
		o=$build/obj/${f%.c}.o
		[ -f "$o" ] || continue
		stem=$(basename "$f" .c)
		while IFS= read -r name; do
			total=$((total + 1))
			case ${name#weft_} in
			"$stem"*) ;;
			*) off=$((off + 1)); [ -z "${1-}" ] || echo "  $f: $name" ;;
			esac
		done < <(nm -g --defined-only "$o" | awk '$2 == "T" { print $3 }')
	done < <(files '*.c' | grep -E '^(runtime|probes|collector|tui)/' | grep -vE '\.bpf\.c$|/examples/|main\.c$')
	[ "$total" -eq 0 ] || echo "names: $((total - off)) of $total exported functions begin with the stem of their file"
}

case ${1-} in
--format) f=$(tool clang-format) && files '*.c' '*.h' | xargs -r "$f" -i; exit ;;
--prefixes) report_prefixes all; exit ;;
esac
check_format
check_lengths
check_words
check_awaits
[ "${1-}" = --fast ] || check_tidy
report_prefixes
[ $errors -eq 0 ] && echo "lint: no faults" || echo "lint: $errors faults"
[ $errors -eq 0 ]
