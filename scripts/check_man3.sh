#!/bin/sh
# Every exported function and public macro of the runtime has a manual page, and groff has nothing to say about it.
# One line for each fault. Wants `make all` (BUILD, default build).
set -u
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
man=$build/man/man3
faults=$(
	{
		nm -D --defined-only "$build/libweft.so.0" | awk '$2 == "T" { print $3 }'
		sed -nE 's/^#define ((weft|WEFT)_[A-Za-z0-9_]+).*/\1/p' runtime/api/*.h runtime/async.h |
			grep -vE '^WEFT_[A-Z_]+_H$'
	} | sort -u | while IFS= read -r name; do
		[ -s "$man/$name.3" ] || echo "$name: no page"
	done
	for page in "$man"/*.3; do
		target=$(sed -n '1s|^\.so man3/||p' "$page")
		if [ -n "$target" ]; then
			[ -f "$man/$target" ] || echo "$page: refers to $target, which is not there"
		else
			groff -ww -man -Tutf8 -z "$page" 2>&1
		fi
	done
)
[ -z "$faults" ] && exit 0
echo "$faults"
exit 1
