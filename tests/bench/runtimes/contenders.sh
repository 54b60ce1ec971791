# SPDX-License-Identifier: MIT
# Who takes part, and how each is built and started. Sourced by runtimes.sh.
#
# A contender has a label, a service and a micro program. ours and theirs hold the labels whose handler is the
# same; extra ones (hyper, the bare loop, ours on io_uring: rings) only have a service.

contenders=()
ours=()
theirs=()
rings=()
declare -A service=() micro=()

contender() {
	contenders+=("$1")
	service[$1]=$2
	micro[$1]=$3
}

add_ours() {
	local flavour
	for flavour in $("$BUILD/bench/runtimes/micro" --flavours); do
		ours+=("$flavour")
		contender "$flavour" "$BUILD/bench/runtimes/service --flavour $flavour" "$BUILD/bench/runtimes/micro --flavour $flavour"
	done
}

# The same service on io_uring, where the kernel and this build of the library have it.
add_rings() {
	local flavour with why
	for flavour in current_thread multi_thread; do
		with="$BUILD/bench/runtimes/service --flavour $flavour --driver io_uring"
		if ! why=$($with --workers 1 --mode hello 2>&1 > /dev/null); then
			echo "no io_uring: ${why#service: }"
			return
		fi
		rings+=("${flavour%_thread}_uring")
		contender "${flavour%_thread}_uring" "$with" ""
	done
}

# build_peer NAME: a cargo project in peers/. Its clean build is timed once; dependencies are downloaded before.
build_peer() {
	local from=tests/bench/peers to=$BUILD/peers/$1
	mkdir -p "$to"
	to=$(cd "$to" && pwd)
	if ! printf '%s\n1.85.0\n' "$cargo_version" | sort -C -V -r; then
		# Crates that an older compiler can take; a lock file can't say both.
		mkdir -p "$BUILD/peers/source"
		cp -r "$from/shared" "$from/$1" "$BUILD/peers/source/"
		from=$BUILD/peers/source
		cp "$from/$1/Cargo.lock.rust-1.75" "$from/$1/Cargo.lock"
	fi
	if [ ! -s "$to/seconds" ]; then
		echo "  building $1 with cargo" >&2
		rm -rf "$to"
		mkdir -p "$to"
		(cd "$from/$1" && cargo fetch -q --locked) || return 1
		times "$to/seconds.part" in_folder "$from/$1" env CARGO_TARGET_DIR="$to" cargo build -q --release --locked --bin service || return 1
		mv "$to/seconds.part" "$to/seconds"
	fi
	in_folder "$from/$1" env CARGO_TARGET_DIR="$to" cargo build -q --release --locked || return 1
	in_folder "$from/$1" cargo tree -q --locked -e normal --prefix none | sed 's/ (\*)//' | sort -u | wc -l > "$to/crates"
}

in_folder() { (cd "$1" && shift && "$@"); }

# times FILE COMMAND...: writes "wall cpu" seconds
times() {
	local file=$1 TIMEFORMAT='%R %U %S'
	shift
	{ time "$@" 2>&3; } 3>&2 2> "$file.raw" || return 1
	awk '{ print $1, $2 + $3 }' "$file.raw" > "$file"
	rm -f "$file.raw"
}

# add_peer FOLDER LABEL FLAVOUR
add_peer() {
	local at=$BUILD/peers/$1/release
	theirs+=("$2")
	contender "$2" "$at/service --flavour $3" "$at/micro --flavour $3"
}

add_theirs() {
	cargo_version=$(cargo --version 2> /dev/null | awk '{ print $2 }') || true
	if [ -z "$cargo_version" ]; then
		echo "no cargo: the peers are left out (scripts/install_deps.sh --rust)"
		return
	fi
	if build_peer tokio; then
		add_peer tokio tokio multi_thread
		add_peer tokio tokio_ct current_thread
		contender hyper "$BUILD/peers/tokio/release/hyper --flavour multi_thread" ""
		contender hyper_ct "$BUILD/peers/tokio/release/hyper --flavour current_thread" ""
	fi
	if build_peer async_std; then add_peer async_std async_std pool; fi
	if build_peer smol; then
		add_peer smol smol global
		add_peer smol smol_local local
	fi
}

# Which of these a flavour is measured against: the runtime whose architecture it has.
namesake() {
	case $1 in
	multi_thread) echo tokio ;;
	current_thread) echo tokio_ct ;;
	reactor_pool) echo async_std ;;
	executor) echo smol_local ;;
	esac
}

# in_turn ROUND LABEL...: the labels, begun at another one in each round
in_turn() {
	local n=$(($# - 1)) i round=$1
	shift
	for ((i = 0; i < n; i++)); do
		local at=$(((i + round) % n + 1))
		echo "${!at}"
	done
}
