#!/bin/sh
# The programs of a launch with profile, NIC and lease, with a planner and a tuner that do nothing: what they cost by
# themselves.
BUN_JSC_useJIT=0
export BUN_JSC_useJIT
nothing=$("$PLANNER" nothing "$@" 2>/dev/null </dev/null)
flock -w 120 0 <"$LEASES"
taskset -c 0 "$PLANNER" tuner 0 >/dev/null 2>&1 </dev/null &
exec flock -F -n -E 69 "$LEASES/bench.lease" taskset -c 0 "$EMULATOR" "$@" ${nothing:+"$nothing"}
