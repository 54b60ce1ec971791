#!/usr/bin/env bash
# Lines executed by the tests of an instrumented build, by file and by folder: coverage.sh BUILD
set -u
cd "$(dirname "$0")/.." || exit 1
build=$1
find "$build/obj" -name '*.gcda' | grep -E "^$build/obj/(runtime|probes|collector|tui)/" | sort | while IFS= read -r data; do
	source=${data#"$build"/obj/}
	gcov -n -o "${data%/*}" "${data%.gcda}.o" 2> /dev/null | grep -A 1 "^File '${source%.gcda}.c'" |
		sed -n "s|^Lines executed:\([0-9.]*\)% of \([0-9]*\)|${source%.gcda}.c \1 \2|p"
done | awk '{ printf "%6.1f %%  of %5d  %s\n", $2, $3, $1
		top = $1; sub(/\/.*/, "", top); lines[top] += $3; hit[top] += $2 * $3 / 100 }
	END { for (t in lines) printf "%6.1f %%  of %5d  %s/\n", 100 * hit[t] / lines[t], lines[t], t }'
