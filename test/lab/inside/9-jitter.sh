# shellcheck shell=sh
# The guest beside its host, on the same isolated CPU at the same priority. The node is emulated, and the guest in it once more: so
# how many times longer the guest's worst is than the host's is printed, and is no test.

mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
tracefs=/sys/kernel/tracing
throttled=$(cat /proc/sys/kernel/sched_rt_runtime_us)
echo -1 >/proc/sys/kernel/sched_rt_runtime_us

# $1 mode, the rest is further options: measures the guest for 3 s, and then the host.
measure() {
  mode=$1
  shift
  qemu-rt jitter --profile rt --accel tcg --mode "$mode" --seconds 3 "$@"
}

# What rtla sets for the whole kernel, and its trace buffer.
tracing_now() {
  grep -r . "$tracefs/osnoise" "$tracefs/tracing_thresh" "$tracefs/current_tracer" | sort
  ls "$tracefs/instances"
}

# Debian 12's has no hwnoise.
hardware='not measured: rtla hwnoise: (rtla is not installed|this rtla is older)'
if rtla hwnoise --help 2>&1 | grep -q 'rtla hwnoise:'; then hardware='hardware alone \(rtla hwnoise on CPU [23], 3 s\): worst '; fi

before=$(tracing_now)
for mode in spin timer; do
  said=$(measure "$mode" --floor 3 2>&1)
  is "jitter --mode $mode" 0 $?
  like "the host where the vCPU was: $mode" 'host without a VM \((oslat|cyclictest) on CPU [23], fifo 2, 3 s\): worst ' "$said"
  like "the hardware, or why not: $mode" "$hardware" "$(printf '%s' "$said" | tr -s ' \n' ' ')"
  printf '%s\n' "$said" | grep -E 'times the host|host without|hardware alone' | sed 's/.*\r//; s/^/# /'
done
is "tracing is as it was" "$before" "$(tracing_now)"

case $hardware in
hardware*)
  measure spin --floor 2 >/dev/null 2>&1 &
  jitter=$!
  is "rtla runs" 0 "$(until_true 60 [ -e $tracefs/instances/osnoise_top ] && echo 0)"
  # A program that a shell starts in the background ignores SIGINT.
  kill -TERM "$jitter"
  wait "$jitter"
  is "Ctrl-C while rtla runs" 130 $?
  is "and tracing is as it was" "$before" "$(tracing_now)"
  ;;
esac
echo "$throttled" >/proc/sys/kernel/sched_rt_runtime_us
