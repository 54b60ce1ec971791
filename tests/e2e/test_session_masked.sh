#!/usr/bin/env bash
# Kernels that lack something: perf-based links at level light, no scheduler programs, no stacks. Each says what it costs.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

fake target -t 2 -r 50000
session multi -s 1 -l 2 -m uprobe_multi "$PID"
exact multi
event multi level-set '1 automatic 0'
event multi cannot-see 'no usable uprobe_multi'
session pid -s 1 -m uprobe_multi_pid "$PID"
exact pid
session sched -s 1 -l 2 -m tp_btf "$PID"
exact sched
event sched cannot-see scheduler
! grep -aq "^  off-cpu" "$TMP_E2E/sched.txt" || fail "off-cpu intervals without the scheduler programs"
unharmed "$PID"

workload block blocking_call --seconds 30
session iter -s 1 -l 2 -m iter_task "$PID"
exact iter
event iter cannot-see 'task iterator'
no_event iter stack 'why 1'
session whole -s 1.5 -l 2 "$PID"
exact whole
event whole stack 'why 1 .* syscall [0-9]'
says "$TMP_E2E/whole.txt" "^  off-cpu" || fail "no off-cpu interval of a blocking poll"

program=$(scripts/rust_workload.sh tokio)
start rust "$program" tickers
must 10 "the Rust service is up" says "$TMP_E2E/rust.out" '^ready'
session old -s 1 -m uprobe_multi_pid "$PID"
says_error old 'for Rust services this kernel lacks uprobe_multi links with a pid filter; Linux 6.10'
session new -s 1 "$PID"
equal "status of a session with them" "$STATUS" 0

session none -s 1 -m bpf "$PID"
says_error none 'cannot trace'
session btf -s 1 -m btf "$PID"
says_error btf 'no BTF; Linux 5.15 or newer'
session unknown -s 1 -m no_such_feature "$PID"
says_error unknown 'unknown kernel feature'
