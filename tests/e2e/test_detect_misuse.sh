#!/usr/bin/env bash
# not-unpin, missing-feature and mixed-runtimes as the runtime reports them, each against the right use.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair not-unpin misuse moved 6 --only not-unpin,not-send,missing-feature,mixed-runtimes
pair missing-feature misuse io 6 --only not-unpin,not-send,missing-feature,mixed-runtimes
pair mixed-runtimes misuse nested 6 --only not-unpin,not-send,missing-feature,mixed-runtimes
