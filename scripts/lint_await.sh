#!/bin/sh
# Finds locals of async functions that are set before an await and used after it, when they are gone.
#   lint_await.sh FILE.c...    one line for each: file:line: local 'x' is set before the await at line N and ...
# Macros of your own that await: AWAITS="my_await". Exit 1 when something was found.
exec awk -v awaits="${AWAITS-}" -f "$(dirname "$0")/lint_await.awk" "$@"
