#!/usr/bin/env bash
# Builds Weft, starts a real service under load and shows it live. Arguments go to scripts/demo_run.sh.
set -eu
cd "$(dirname "$0")/.."
export BUILD="${BUILD:-build}"

scripts/install_deps.sh
make -s -j"$(nproc)" BUILD="$BUILD" all
if [ "$(id -u)" -ne 0 ]; then
	echo "demo.sh: loading eBPF programs and attaching to the service needs root" >&2
	if command -v sudo > /dev/null; then
		exec sudo --preserve-env=BUILD,TERM,NO_COLOR,LANG,LC_ALL scripts/demo_run.sh "$@"
	fi
	echo "demo.sh: there is no sudo here; going on without, run it as root to see the service live" >&2
fi
exec scripts/demo_run.sh "$@"
