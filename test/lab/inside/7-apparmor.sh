# shellcheck shell=sh
: "${project:?}" "${guest:?}"
# Two domains that AppArmor confines run with the wrapper as without AppArmor, and neither gets at the other. Denials are
# the kernel's; each probe is also run where it must succeed.

mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
# Yama's restriction is another one's: AppArmor must do without.
[ ! -e /proc/sys/kernel/yama/ptrace_scope ] || echo 0 >/proc/sys/kernel/yama/ptrace_scope
# What the nested guest is of, beside what libvirt and install.sh grant.
cat >>/etc/apparmor.d/local/abstractions/libvirt-qemu <<END
  $guest r,
  /var/tmp/*.mac w,
END
cat >>/etc/qemu-rt/qemu-rt.toml <<'END'
[profile.huge]
vcpus = { cpus = "auto", policy = "fifo", priority = 2 }
emulator = { cpus = "housekeeping" }
hugepages = "2M"
lock-memory = true
[profile.shared]
vcpus = { cpus = "auto", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
share = "always"
END
"$project/install.sh" >/tmp/install.log 2>&1
cp /etc/apparmor.d/local/abstractions/libvirt-qemu /tmp/libvirt-qemu
apparmor_parser --replace /etc/apparmor.d/usr.lib.libvirt.virt-aa-helper
: "${daemon:?}"
is "install.sh loads libvirt's profile" "$daemon (enforce)" "$(grep "^$daemon " /sys/kernel/security/apparmor/profiles)"
ensure_libvirtd
show_nodes
restart_libvirtd
is "$daemon is confined" "$daemon (enforce)" "$(cat "/proc/$(cat "/run/$daemon.pid")/attr/current")"

pid_of() {
  cat "/run/libvirt/qemu/$1.pid"
}

# $1 domain: the name of its profile
profile_of() {
  echo "libvirt-$(virsh domuuid "$1" | head -n 1)"
}

# $1 domain, $2 profile, $3 number of the line
is_as_without_apparmor() {
  like "$1: started" "Domain '$1' started" \
    "$(start "$1" "<r:request xmlns:r='urn:qemu-rt:request' profile='$2'><r:nic name='line$3'/></r:request>" '')"
  is "$1: QEMU is confined" "$(profile_of "$1") (enforce)" "$(cat "/proc/$(pid_of "$1")/attr/current")"
  is "$1: QEMU is libvirt's user's" "$(id -u libvirt-qemu)" "$(stat -c %u "/proc/$(pid_of "$1")")"
  until_true 90 says_mac "$1"
  is "$1: the guest has line$3" "52540000010$3" "$(cat "/var/tmp/$1.mac" 2>/dev/null)"
}

is_as_without_apparmor confined-a huge 0
is_as_without_apparmor confined-b shared 1
like "confined-a: FIFO on a CPU of its own" '^SCHED_FIFO(\|SCHED_RESET_ON_FORK)? 2 [23]$' "$(vcpu_of confined-a)"
like "confined-b: FIFO on a CPU of its own" '^SCHED_FIFO(\|SCHED_RESET_ON_FORK)? 3 [23]$' "$(vcpu_of confined-b)"
is "not the same one" "2" "$(for name in confined-a confined-b; do vcpu_of "$name"; done | sed 's/.* //' | sort -u | wc -l)"
# Whatever the kernel would not let them do: nothing that they need.
is "nothing was denied" "" "$(dmesg | grep 'apparmor="DENIED".* profile="libvirt-')"

# --- What a process in a domain's confinement gets ----------------------------------------------------------------------

# Says what it could read (sh for dash and cat and dd, which libvirt grants to each domain): $1 PID, $2 descriptor of guest RAM, $3 range of guest RAM, $4 its page, $5 log.
# shellcheck disable=SC2016
probe='
try() {
  what=$1
  shift
  [ "$("$@" 2>/dev/null | dd bs=16 count=1 2>/dev/null | cat -v)" = "" ] || printf "%s " "$what"
}
try own-maps cat /proc/self/maps
try memfd dd "if=/proc/$1/fd/$2" bs=16 count=1
try mem dd "if=/proc/$1/mem" bs=4096 "skip=$4" count=1
try map_files dd "if=/proc/$1/map_files/$3" bs=16 count=1
try environ cat "/proc/$1/environ"
try log cat "$5"
'

# $1 domain that is looked at; the rest runs the probe.
look_at() {
  pid=$(pid_of "$1")
  fd=$(find "/proc/$pid/fd" -lname '/memfd:*' | head -n 1)
  fd=${fd##*/}
  range=$(sed -n 's|^\([0-9a-f-]*\) .*/memfd:.*|\1|p' "/proc/$pid/maps" | head -n 1)
  if [ -z "$fd" ] || [ -z "$range" ]; then
    echo "no guest RAM of $1 in a memfd"
    return
  fi
  log=/var/log/libvirt/qemu/$1.log
  shift
  "$@" /bin/dash -c "$probe" probe "$pid" "$fd" "$range" "$((0x${range%-*} / 4096))" "$log" | sed 's/ $//'
}

as_qemu() {
  setpriv --reuid libvirt-qemu --regid libvirt-qemu --clear-groups "$@"
}

# $1 domain that looks, $2 domain that is looked at
cannot_look() {
  profile=$(profile_of "$1")
  is "$1 gets nothing of $2" own-maps "$(look_at "$2" as_qemu aa-exec -p "$profile" --)"
  is "$1 gets nothing of $2 as root either" own-maps "$(look_at "$2" aa-exec -p "$profile" --)"
}

for name in confined-a confined-b; do
  is "unconfined, QEMU's user gets at $name" "own-maps memfd mem environ" "$(look_at "$name" as_qemu env --)"
  is "unconfined, root gets at $name" "own-maps memfd mem map_files environ log" "$(look_at "$name" env --)"
done
cannot_look confined-a confined-b
cannot_look confined-b confined-a

# --- What a domain without the wrapper gets of what the wrapper needs ----------------------------------------------------

# Says what could be read or run.
# shellcheck disable=SC2016
chain_probe='
try() {
  what=$1
  shift
  ! "$@" >/dev/null 2>&1 || printf "%s " "$what"
}
try own-status cat /proc/self/status
try config cat /etc/qemu-rt/qemu-rt.toml
try record cat "$1"
try device cat /sys/bus/pci/devices/0000:00:02.0/vendor
try locks cat /proc/locks
for program in node flock chrt ls logger readlink; do
  try "$program" "$program" --version
done
'
record=/run/qemu-rt/vms/$(profile_of confined-b).json
is "unconfined, all of it can be had" "own-status config record device locks node flock chrt ls logger readlink" \
  "$(as_qemu /bin/dash -c "$chain_probe" probe "$record" | sed 's/ $//')"
domain plain '' '' | sed "s|<emulator>.*|<emulator>/usr/bin/qemu-system-x86_64</emulator>|" >/tmp/plain.xml
virsh define /tmp/plain.xml >/dev/null 2>&1
like "plain: started" "Domain 'plain' started" "$(virsh start plain 2>&1)"
for name in plain confined-b; do
  is "$name: its own status, and nothing of the launch chain" "own-status" \
    "$(as_qemu aa-exec -p "$(profile_of "$name")" -- /bin/dash -c "$chain_probe" probe "$record" | sed 's/ $//')"
done

# --- The probes can fail: as install.sh once let every domain ------------------------------------------------------------

cat >>/etc/apparmor.d/local/abstractions/libvirt-qemu <<'END'
  ptrace (read, readby) peer=libvirt-*,
  @{PROC}/[0-9]*/{environ,fd/,fd/*} r,
END
for name in confined-a confined-b; do
  apparmor_parser --replace "/etc/apparmor.d/libvirt/$(profile_of "$name")"
done
for name in confined-a confined-b; do
  is "by rules that are too wide the same probe gets at $name" "own-maps memfd environ" \
    "$(look_at "$name" as_qemu aa-exec -p "$(profile_of "$(echo confined-a confined-b | sed "s/ *$name *//")")" --)"
done

cp /tmp/libvirt-qemu /etc/apparmor.d/local/abstractions/libvirt-qemu
for name in confined-a confined-b plain; do
  virsh destroy "$name" >/dev/null 2>&1
done
is "NICs are the host's afterwards" "e1000e e1000e" "$(driver_of 0000:00:02.0) $(driver_of 0000:00:03.0)"

# --- Without the hook a launch cannot take a lease ----------------------------------------------------------------------

rm /etc/libvirt/hooks/qemu.d/qemu-rt
restart_libvirtd
like "without the hook a profile with CPUs is refused" "qemu-rt: libvirt's hook has not run for this domain, .*: /run/qemu-rt/leases; run install.sh again" \
  "$(start no-hook '' "<qemu:arg value='--rt-profile'/><qemu:arg value='rt'/>")"
"$project/install.sh" >/dev/null 2>&1
