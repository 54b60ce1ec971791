#!/usr/bin/env bash
# Installs what Weft needs to build and to run its tests, on Debian 12. Safe to run again: with nothing missing it
# touches neither the network nor apt.
#   install_deps.sh [--rust] [--extra]
#     --rust   also cargo >= 1.75 where there is none (Debian's rustc-web, cargo-web)
#     --extra  also what only `make check-valgrind` and a person debugging need
set -eu

packages=(
	make gcc g++ libc6-dev                              # the C side
	clang llvm libbpf-dev bpftool                   # BPF objects and skeletons
	libelf-dev libdw-dev zlib1g-dev                 # symbols and lines
	libiberty-dev binutils-dev libcapstone-dev      # names, instructions
	libcap-ng-dev                                   # rights
	libsqlite3-dev libjansson-dev libncurses-dev    # store, JSON, console
	libhttp-parser-dev libssl-dev libc-ares-dev openssl # examples and their tests
	liburing-dev                                    # the runtime's second driver; optional
	pkg-config
	libcmocka-dev tmux sqlite3 curl wrk procps      # tests and the demo's load
	bpftrace                                        # the probe points are also for others
	clang-format clang-tidy libclang-rt-14-dev      # lint, fuzz
	groff-base                                      # checks the manual pages
)
extra=(valgrind libc6-dbg gdb)
rust=(rustc-web cargo-web)

say() { echo "install_deps: $*"; }

cargo_is_recent() {
	local version
	version=$(cargo --version 2> /dev/null | awk '{ print $2 }') || return 1
	[ -n "$version" ] && [ "$(printf '%s\n1.75.0\n' "$version" | sort -V | head -n 1)" = 1.75.0 ]
}

for arg in "$@"; do
	case $arg in
	--rust) cargo_is_recent || packages+=("${rust[@]}") ;;
	--extra) packages+=("${extra[@]}") ;;
	*) echo "usage: install_deps.sh [--rust] [--extra]" >&2; exit 2 ;;
	esac
done

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
	say "this is not a Debian system. Install what these Debian packages hold, then go on:" >&2
	say "  ${packages[*]}" >&2
	exit 1
fi

missing=()
for p in "${packages[@]}"; do
	# One line per architecture; "not-installed" and "config-files" are not enough.
	dpkg-query -W -f '${db:Status-Status}\n' "$p" 2> /dev/null | grep -qx installed || missing+=("$p")
done
if [ ${#missing[@]} -eq 0 ]; then
	say "nothing is missing"
	exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo > /dev/null; then
		say "missing: ${missing[*]}" >&2
		say "root is needed to install them; run as root: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

say "installing: ${missing[*]}"
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@"; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt update > "$log" 2>&1 || say "apt-get update failed, trying with the lists at hand: $(grep -m1 '^[EW]:' "$log")" >&2
if ! apt install --no-install-recommends "${missing[@]}" > "$log" 2>&1; then
	tail -n 20 "$log" >&2
	say "could not install: ${missing[*]}" >&2
	exit 1
fi
say "done"
