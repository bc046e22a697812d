# shellcheck shell=sh
# For parts that look at what runs on isolated CPUs. The kernel says it: sched_switch, of those CPUs alone.
tracing=/sys/kernel/tracing
mount -t tracefs tracefs $tracing 2>/dev/null

# $1 the CPUs, a mask in hexadecimal
trace_on() {
  echo "$1" >$tracing/tracing_cpumask
  echo >$tracing/trace
  echo 1 >$tracing/events/sched/sched_switch/enable
  echo 1 >$tracing/tracing_on
}

# Ends it, and prints what was seen.
trace_off() {
  echo 0 >$tracing/tracing_on
  echo 0 >$tracing/events/sched/sched_switch/enable
  cat $tracing/trace
}

# $1 regular expression of what stands before a name. Leaves out what belongs to each CPU of the kernel, as name/number.
but_kernels_own() {
  grep -Ev "^$1(swapper|migration|ksoftirqd|kworker|rcuc|rcuop|rcuog|ktimers|cpuhp|irq_work|posixcputmr|idle_inject|watchdog|backlog_napi)(/|$| )"
}
