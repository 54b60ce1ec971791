#!/usr/bin/env bash
# handle-dropped: by the drop of the handle, by an abort at once, by a shutdown before the first poll.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair_begin handle-dropped handle_dropped drop 5 --only handle-dropped
pair_begin handle-dropped handle_dropped abort 5 --only handle-dropped
pair_begin handle-dropped handle_dropped shutdown 8 --only handle-dropped --level normal
for variant in drop abort shutdown; do pair_end $variant; done
