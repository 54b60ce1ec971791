#!/usr/bin/env bash
# What load does: long polls, too many runnable tasks, one worker that does it all, too many workers for the CPUs or for a quota, late
# timers, neighbours that take the CPUs; each against its cure.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
only=long-poll,queue-backlog,worker-imbalance,worker-count,timer-late
PAIR_ARGS=(--workers 1)
pair long-poll pressure long 9 --only $only
# These use the CPUs up, so that twins side by side would starve each other.
PAIR_IN_TURN=1
pair queue-backlog pressure backlog 7 --only $only
pair timer-late pressure late 10 --only $only --level normal
PAIR_ARGS=()
pair worker-imbalance pressure imbalance 8 --only $only --level normal
pair worker-count pressure count 8 --only worker-count
if [ -w /sys/fs/cgroup/cgroup.procs ] || [ -w /sys/fs/cgroup/cpu/cgroup.procs ]; then
	on_exit 'rmdir /sys/fs/cgroup/{,cpu/}weft-pressure-*' # of one that was killed
	pair worker-count pressure quota 8 --only worker-count
else
	echo "no control groups here: nothing has a quota"
fi
PAIR_EXIT=0 # it is not the program's fault
PAIR_ARGS=(--workers 1)
pair cpu-starved pressure starved 7 --only cpu-starved
