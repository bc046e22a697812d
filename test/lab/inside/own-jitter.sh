# shellcheck shell=sh
# The guest beside its host, on the same isolated CPU at the same priority. The node is emulated, and the guest in it once more: so
# how many times longer the guest's worst is than the host's is printed, and is no test.

mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
tracefs=/sys/kernel/tracing
throttled=$(cat /proc/sys/kernel/sched_rt_runtime_us)
echo -1 >/proc/sys/kernel/sched_rt_runtime_us

# What rtla sets for the whole kernel, and its trace buffer.
tracing_now() {
  grep -s . "$tracefs"/osnoise/* "$tracefs/tracing_thresh" "$tracefs/current_tracer"
  ls "$tracefs/instances"
}

# Debian 12's has no hwnoise.
hardware='not measured: rtla hwnoise: (rtla is not installed|this rtla is too old)'
if rtla hwnoise --help 2>&1 | grep -q 'rtla hwnoise:'; then hardware='hardware alone \(rtla hwnoise on CPU [23], 2 s\): worst '; fi

before=$(tracing_now)
osnoise='osnoise on CPU [23] while the guest ran'
[ -e $tracefs/osnoise/options ] || osnoise='not read: osnoise: the kernel is too old'
option=--osnoise
# The emulated node stops altogether within ten times of this tracer on and off, without any VM; 6.12 and 7.2 do not.
case $(uname -r) in
6.1.*)
  option=
  echo "# osnoise is not tried on Linux 6.1"
  ;;
esac
for mode in spin timer; do
  # shellcheck disable=SC2086
  qemu-rt jitter --profile rt --accel tcg --mode $mode --seconds 2 --floor 2 $option >/tmp/jitter.txt 2>/tmp/jitter.err
  is "jitter --mode $mode" 0 $?
  said=$(tr -s ' \n' ' ' </tmp/jitter.txt)
  like "the host where the vCPU was: $mode" 'host without a VM \((oslat|cyclictest) on CPU [23], fifo 2, 2 s\): worst ' "$said"
  like "the hardware, or why not: $mode" "$hardware" "$said"
  [ -z "$option" ] || like "the osnoise tracer, or why not: $mode" "$osnoise" "$said"
  printf '%s\n' "$said" | grep -Eo "(worst gap|latest wake-up) [^,]*, [^ ]* times the host's [^ ]* [mu]?s|host without [^:]*: worst [^ ]* [mu]?s|hardware alone [^:]*: worst [^ ]* [mu]?s|osnoise on .*" | sed 's/^/# /'
done
is "tracing is as it was" "$before" "$(tracing_now)"

case $hardware in
hardware*)
  # No function: that would be a shell of its own, which is no jitter.
  qemu-rt jitter --profile rt --accel tcg --seconds 2 --floor 2 >/dev/null 2>&1 &
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
