# shellcheck shell=sh
# What a running system has to be told or given besides files. install.sh and the package's scripts read it; it needs
#   $prefix     where qemu-rt is installed
#   $root       what is put before every path; empty on the system itself
#   $action     `check` says what would be done instead of doing it
#   setup_text  a function that prints a file of system/ as it is installed
: "${prefix?}" "${root?}" "${action?}"

# --- Who and what is here -----------------------------------------------------------------------------------------------

# ID and ID_LIKE of os-release(5), in one line. OS_RELEASE in the environment names another host's file.
distribution() {
  sed -n 's/^ID\(_LIKE\)\{0,1\}=//p' "${OS_RELEASE:-/etc/os-release}" 2>/dev/null | tr -d '"' | tr '\n' ' '
}

# The user that libvirt runs QEMU as: Debian's and Ubuntu's name, then Fedora's, RHEL's and SUSE's.
qemu_user() {
  for name in libvirt-qemu qemu; do
    ! getent passwd "$name" >/dev/null || {
      echo "$name"
      return
    }
  done
}

# Its line of tmpfiles.d(5): where it keeps leases, when there is such a user.
qemu_user_directory() {
  name=$(qemu_user)
  [ -z "$name" ] || echo "d /run/qemu-rt/leases/$(id -u "$name") 2750 $name kvm -"
}

# --- Before it goes -----------------------------------------------------------------------------------------------------

# Why libvirt's hook has to stay, in one line; nothing when it has not. It gives NICs back when a domain ends, and each later
# time those that could not go back then: root's records say which.
why_needed() {
  records=$(find "$root/run/qemu-rt/vms" -name 'libvirt-*.json' -o -name 'left-*.json' 2>/dev/null | tr '\n' ' ')
  [ -z "$records" ] ||
    echo "libvirt domains that qemu-rt has prepared run, or NICs wait to go back: ${records% }; shut these domains down first; if none runs, see docs/libvirt.md"
}

# --- Steps ------------------------------------------------------------------------------------------------------------

# $1 what it does, for --check; the rest is the command.
step() {
  if [ "$action" = check ]; then
    printf 'would %s\n' "$1"
    return
  fi
  shift
  "$@"
}

# As `step`, for what a running system takes: $2 is the program that it needs.
system_step() {
  what=$1
  program=$2
  shift 2
  [ -z "$root" ] || return 0
  if command -v "$program" >/dev/null; then
    step "$what" "$@" || echo "qemu-rt: this failed, go on by hand: $*" >&2
  elif [ "$action" = check ]; then
    printf 'would not %s: there is no %s\n' "$what" "$program"
  fi
}

# stdin → $2 with mode $1; a reader sees the old file or the new one.
put() {
  mkdir -p "$(dirname "$2")"
  cat >"$2.qemu-rt-new"
  chmod "$1" "$2.qemu-rt-new"
  mv "$2.qemu-rt-new" "$2"
}

# --- AppArmor and SELinux ---------------------------------------------------------------------------------------------

# Texts to add to AppArmor's local files, where its profiles look for additions: source, path.
apparmor_parts() {
  cat <<END
apparmor/domain /etc/apparmor.d/local/abstractions/libvirt-qemu
apparmor/daemon /etc/apparmor.d/local/usr.sbin.libvirtd
apparmor/daemon /etc/apparmor.d/local/usr.sbin.virtqemud
END
}

BEGIN='# begin qemu-rt (install.sh)'
END='# end qemu-rt'

# $1 path: the file without what we have added.
without_part() {
  [ ! -f "$1" ] || sed "/^$BEGIN\$/,/^$END\$/d" "$1"
}

# Debian 12's profiles include these files whether they are there or not, so one that was there, and be it empty, has to stay.
ALONE='# There was no such file before.'

# $1 path: whether it is there for our part alone.
is_ours_alone() {
  [ ! -e "$1" ] || grep -qx "$ALONE" "$1"
}

add_part() {
  alone=
  ! is_ours_alone "$2" || alone=$ALONE
  { without_part "$2" && echo "$BEGIN" && echo "$alone" | sed '/^$/d' && setup_text "$1" && echo "$END"; } | put 644 "$2"
}

remove_part() {
  [ -f "$1" ] || return 0
  if is_ours_alone "$1" && [ -z "$(without_part "$1")" ]; then
    rm -f "$1"
    # Debian 13 has no directory for abstractions until somebody adds to one.
    rmdir "$(dirname "$1")" 2>/dev/null || true
  else
    without_part "$1" | put 644 "$1"
  fi
}

# systemd-tmpfiles makes them at each boot.
make_run_directories() {
  group=kvm
  getent group kvm >/dev/null || group=root
  install -d -m 755 /run/qemu-rt /run/qemu-rt/vms
  install -d -m 3770 -g "$group" /run/qemu-rt/leases
  for name in root $(qemu_user); do
    make_lease_directory "/run/qemu-rt/leases/$(id -u "$name")" "$name" "$group"
  done
}

# $1 directory, $2 its user, $3 group. Users can make links and directories beside it, and $2 can put a link in its place,
# which install(1), chown and chmod would follow: only one that was made here, and is root's until the end, is changed.
make_lease_directory() {
  if [ -d "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %u "$1")" = "$(id -u "$2")" ]; then
    return
  fi
  if [ -e "$1" ] || [ -L "$1" ]; then
    mv -T "$1" "$1.aside-$$"
  fi
  # Only what mkdir has made here is changed, also where a caller has turned `set -e` off: it is root's in a sticky directory.
  mkdir -m 700 "$1" && chgrp -h "$3" "$1" && chmod 2750 "$1" && chown -h "$2" "$1"
}

# Domains' profiles include the file when they are made, so only the daemon's are loaded again.
reload_apparmor() {
  for profile in /etc/apparmor.d/usr.sbin.libvirtd /etc/apparmor.d/usr.sbin.virtqemud; do
    [ ! -f "$profile" ] || apparmor_parser --replace "$profile"
  done
}

# A line each: type, path. What libvirt starts as a domain needs QEMU's own type (virt_selinux(8)); what runs on the way to
# QEMU that of taskset.
selinux_types() {
  cat <<END
qemu_exec_t $prefix/bin/qemu-rt
bin_t $prefix/lib/qemu-rt/qemu-rt-planner
END
}

label_selinux() {
  selinux_types | while read -r type path; do
    semanage fcontext --add --type "$type" "$path" 2>/dev/null ||
      semanage fcontext --modify --type "$type" "$path"
  done
  restorecon -R "$prefix/bin/qemu-rt" "$prefix/lib/qemu-rt"
}

unlabel_selinux() {
  selinux_types | while read -r _ path; do
    semanage fcontext --delete "$path" 2>/dev/null || true
  done
}

# $1 install or uninstall
confine() {
  case " $(distribution)" in
    *' rhel '* | *' fedora '* | *' centos '*)
      if [ "$1" = install ]; then
        system_step "label the wrapper as QEMU for SELinux (semanage fcontext, restorecon)" semanage label_selinux
      else
        system_step "remove the wrapper's label for SELinux" semanage unlabel_selinux
      fi
      ;;
    *)
      if [ -z "$root" ] && [ ! -d /etc/apparmor.d ]; then
        return
      fi
      apparmor_parts | while read -r part path; do
        if [ "$1" = install ]; then
          step "add to $path" add_part "$part" "$root$path"
        else
          step "take our part out of $path" remove_part "$root$path"
        fi
      done
      if [ -e /sys/module/apparmor/parameters/enabled ]; then
        system_step "load libvirt's AppArmor profiles again" apparmor_parser reload_apparmor
      fi
      ;;
  esac
}

reload_systemd() {
  # Without systemd as PID 1 there is nobody to tell.
  [ ! -d /run/systemd/system ] || system_step "have systemd read its units again" systemctl systemctl daemon-reload
}
