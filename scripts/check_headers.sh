#!/usr/bin/env bash
# Every header compiles alone, and no headers include each other in a circle. One line for each that does not.
#   check_headers.sh [DIR]    DIR: the tree to look at (this one)
# Environment: CC (gcc), CLANG (clang), BUILD (build).
set -u
cd "${1:-$(dirname "$0")/..}" || exit 1
export BUILD=${BUILD:-build} CC=${CC:-gcc}
errors=0

headers=()
while IFS= read -r h; do headers+=("$h"); done \
	< <(find runtime probes collector tui tests -name '*.h' -not -path '*/target/*' 2> /dev/null | sort)
[ ${#headers[@]} -gt 0 ] || exit 0

# Circles. tsort names the members of each.
if ! circle=$(grep -HoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]+"' "${headers[@]}" |
	sed -E 's/:[[:space:]]*#[[:space:]]*include[[:space:]]*"/ /; s/"$//' | tsort 2>&1 > /dev/null); then
	echo "headers include each other in a circle: $(echo "$circle" | sed -n 's/^tsort: \([^ ]*\.h\)$/\1/p' | tr '\n' ' ')"
	errors=1
fi

if [ -z "${CLANG-}" ]; then
	for c in clang clang-{19..14}; do command -v $c > /dev/null && CLANG=$c && break; done
fi
export CLANG=${CLANG-}

one() {
	local h=$1 generated out
	for generated in $(sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"\/]+)".*/\1/p' "$h"); do
		if [ ! -f "$BUILD/gen/$generated" ] && [ ! -f "$BUILD/bpf/$generated" ]; then
			echo "$h: not checked, it includes $generated, which is not built yet (make gen)"
			return 0
		fi
	done
	case $h in
	*vmlinux*) return 0 ;;
	probes/bpf/*)
		if [ -z "$CLANG" ]; then
			echo "$h: not checked, clang is not installed"
			return 0
		fi
		# The kernel's types come before any header of the BPF side, by the rule of libbpf.
		set -- "$CLANG" -target bpf -mcpu=v3 -ffreestanding -D__TARGET_ARCH_x86
		;;
	*) set -- "$CC" -std=gnu11 -D_GNU_SOURCE -DNCURSES_WIDECHAR=1 -I"$BUILD/gen" -I"$BUILD/bpf" ;;
	esac
	out=$("$@" -I. -I/usr/include/"$(uname -m)"-linux-gnu -w -fsyntax-only -include "$h" -x c /dev/null 2>&1) && return 0
	echo "$h: does not compile alone: $(echo "$out" | grep -m 1 -E 'error' | cut -c1-160)"
	return 1
}
export -f one
printf '%s\0' "${headers[@]}" | xargs -0 -P "$(nproc)" -I{} bash -c 'one {}' || errors=1
exit $errors
