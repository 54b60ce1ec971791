#!/usr/bin/env bash
# Builds the library with -DWEFT_NO_PROBES and looks for what tracing would leave: notes, semaphores, the name of the
# mapping. Then runs tests against it.
#   check_no_probes.sh         Environment: BUILD (build), CC (gcc)
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}/no_probes
CC=${CC:-gcc}
errors=0
fault() {
	echo "check_no_probes.sh: $1"
	errors=$((errors + 1))
}

make -s -j2 BUILD="$build" EXTRA_CFLAGS=-DWEFT_NO_PROBES "$build/libweft.a" "$build/libweft.so.0" || exit 1
for lib in "$build/libweft.so.0" "$build/libweft.a"; do
	for section in .note.stapsdt .stapsdt.base .probes; do
		readelf -SW "$lib" 2> /dev/null | grep -qF " $section " && fault "$lib has a section $section"
	done
	nm "$lib" 2> /dev/null | grep -qE ' weft_(sema_|usdt_|trace_gate|map_header)' && fault "$lib has semaphores or a mapping"
	strings -a "$lib" | grep -qx 'weft-trace' && fault "$lib has the name of the mapping"
done
# A library that has them all, so that the look itself can fail.
normal=${BUILD:-build}/libweft.so.0
if [ -f "$normal" ] && ! readelf -SW "$normal" | grep -qF .note.stapsdt; then
	fault "$normal, which has probes, shows none: the check is blind"
fi

libraries=(-lcmocka)
nm -u "$build/libweft.a" 2> /dev/null | grep -q ' io_uring_' && libraries+=(-luring)
for test in async interval file file_path child; do
	out=$build/test_$test
	# What a test asks the linker for, as in the Makefile.
	read -r -a ldflags <<< "$(sed -n 's|^/\* ldflags: \(.*\) \*/$|\1|p;5q' "tests/unit/runtime/test_$test.c")"
	if ! "$CC" -std=gnu11 -O1 -D_GNU_SOURCE -DWEFT_NO_PROBES -I. -pthread -o "$out" "tests/unit/runtime/test_$test.c" \
		tests/support/{flavours,net_runtime}.c "$build/libweft.a" ${ldflags[@]+"${ldflags[@]}"} "${libraries[@]}"; then
		fault "test_$test does not build"
	elif ! timeout 100 "$out" > "$out.log" 2>&1; then
		fault "test_$test fails: $(grep -m 1 -E 'ERROR|FAILED' "$out.log")"
	fi
done
[ $errors -eq 0 ]
