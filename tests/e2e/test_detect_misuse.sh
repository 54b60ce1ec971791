#!/usr/bin/env bash
# not-unpin, missing-feature and mixed-runtimes as the runtime reports them, each against the right use.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
only=not-unpin,not-send,missing-feature,mixed-runtimes
pair_begin not-unpin misuse moved 6 --only $only
pair_begin missing-feature misuse io 6 --only $only
pair_begin mixed-runtimes misuse nested 6 --only $only
for variant in moved io nested; do pair_end $variant; done
