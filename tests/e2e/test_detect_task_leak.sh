#!/usr/bin/env bash
# task-leak: sessions that wait for ever against sessions that time out.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair task-leak task_leak - 40 --only task-leak,busy-loop,blocking-call
