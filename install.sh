#!/bin/sh
# Installs qemu-rt from a checkout that is built (npm ci && npm run build), or removes it again.
set -eu
# libvirt's user must be able to run what root installs.
umask 022

usage() {
  cat <<'END'
usage: ./install.sh [--prefix DIR] [--check | --uninstall | --package]
  --prefix DIR   where to (default: /usr/local); bin/, lib/qemu-rt/ and share/ go beneath it. The files of libvirt,
                 systemd and AppArmor go where these look for them
  --check        say what would be done, and do nothing
  --uninstall    remove what an installation with the same prefix has put there
  --package      for a package, with DESTDIR: units and tmpfiles.d go where a vendor's do, there is an entry for every
                 architecture, and what a running system needs besides is left to lib/qemu-rt/system/setup.sh
DESTDIR in the environment is put before every path, for packagers: then nothing is run, and nothing outside is touched.
END
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit "${2-64}"
}

prefix=/usr/local
action=install
while [ $# -gt 0 ]; do
  case $1 in
    --prefix)
      [ $# -ge 2 ] || fail "--prefix needs a directory"
      prefix=$2
      shift
      ;;
    --prefix=*) prefix=${1#*=} ;;
    --check) action=check ;;
    --uninstall) action=uninstall ;;
    --package) action=package ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) fail "unknown option '$1'; see --help" ;;
  esac
  shift
done
case $prefix in
  # It becomes part of a shell script, where other characters would need quotes.
  *[!A-Za-z0-9/._+-]*) fail "the prefix '$prefix' may have letters, digits and / . _ + - only" ;;
  /*) ;;
  *) fail "the prefix '$prefix' is not an absolute path" ;;
esac
prefix=${prefix%/}

source=$(cd "$(dirname "$0")" && pwd)
root=${DESTDIR-}
if [ "$action" != check ] && [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
  echo "install.sh: /etc and $prefix are written as root only: sudo ./install.sh; --check and DESTDIR need no root" >&2
  exit 77
fi
if [ "$action" = package ]; then
  [ -n "$root" ] || fail "--package needs DESTDIR, the directory to put everything in"
  units=$prefix/lib/systemd/system
  tmpfiles=$prefix/lib/tmpfiles.d
else
  units=/etc/systemd/system
  tmpfiles=/etc/tmpfiles.d
fi
bin=$root$prefix/bin
lib=$root$prefix/lib/qemu-rt
doc=$root$prefix/share/doc/qemu-rt
example=/etc/qemu-rt/qemu-rt.toml

# --- What goes where --------------------------------------------------------------------------------------------------

# A line each: mode, file of the checkout, path. In texts @prefix@, @bin@, @planner@, @qemu-user@ and @watched@ are filled in.
files() {
  cat <<END
755 system/hook /etc/libvirt/hooks/qemu.d/qemu-rt
644 system/tmpfiles.conf $tmpfiles/qemu-rt.conf
644 system/systemd/limits.conf $units/libvirtd.service.d/qemu-rt.conf
644 system/systemd/limits.conf $units/virtqemud.service.d/qemu-rt.conf
644 system/systemd/qemu-rt-refresh.service $units/qemu-rt-refresh.service
644 system/systemd/qemu-rt-refresh.path $units/qemu-rt-refresh.path
644 system/systemd/qemu-rt-export@.service $units/qemu-rt-export@.service
644 system/systemd/qemu-rt-export@.timer $units/qemu-rt-export@.timer
644 system/systemd/qemu-rt-metrics.service $units/qemu-rt-metrics.service
644 system/systemd/qemu-rt-metrics.timer $units/qemu-rt-metrics.timer
644 docs/man/qemu-rt.1 $prefix/share/man/man1/qemu-rt.1
644 docs/man/qemu-rt.toml.5 $prefix/share/man/man5/qemu-rt.toml.5
644 system/completion/qemu-rt.bash $prefix/share/bash-completion/completions/qemu-rt
644 system/completion/_qemu-rt $prefix/share/zsh/site-functions/_qemu-rt
END
}

# What makes systemd start the path unit, as `systemctl enable` does.
wanted=$units/multi-user.target.wants/qemu-rt-refresh.path

# Directories that are ours, or were made for our files; removed when they are empty. $prefix has more.
directories() {
  cat <<END
/etc/qemu-rt
/etc/libvirt/hooks/qemu.d
$units/libvirtd.service.d
$units/virtqemud.service.d
END
}

# --- The host ---------------------------------------------------------------------------------------------------------

# One entry for each QEMU of this host, and always the usual one: libvirt names it before QEMU may be there. A package does
# not know the host that it will be on.
architectures() {
  if [ "$action" = package ]; then
    for entry in "$source"/bin/qemu-rt-system-*; do
      echo "${entry##*-system-}"
    done
    return
  fi
  {
    echo x86_64
    for emulator in /usr/bin/qemu-system-*; do
      [ -x "$emulator" ] && echo "${emulator#/usr/bin/qemu-system-}"
    done
  } | sort -u
}

# RHEL has one QEMU, and not in PATH.
only_kvm() {
  [ "$action" != package ] && [ ! -e "$root/usr/bin/qemu-system-x86_64" ] && [ -e "$root/usr/libexec/qemu-kvm" ]
}

watched_emulators() {
  if only_kvm; then
    echo PathChanged=/usr/libexec/qemu-kvm
  fi
  for architecture in $(architectures); do
    echo "PathChanged=/usr/bin/qemu-system-$architecture"
  done
}

# What the launcher runs for a plan, for AppArmor.
planner_program() {
  if [ -f "$source/dist/qemu-rt-planner" ]; then
    echo "$prefix/lib/qemu-rt/qemu-rt-planner"
  else
    echo '/usr/{,local/}bin/node'
  fi
}

# A text of the checkout as it is installed.
filled() {
  awk -v prefix="$prefix" -v planner="$(planner_program)" -v watched="$(watched_emulators | tr '\n' '|')" \
    -v user="$([ "$action" = package ] || qemu_user_directory)" '
    $0 == "@qemu-user@" { if (user != "") print user; next }
    $0 == "@watched@" { gsub(/\|/, "\n", watched); printf "%s", watched; next }
    { gsub(/@prefix@/, prefix); gsub(/@bin@/, prefix "/bin"); gsub(/@planner@/, planner); print }
  ' "$source/$1"
}

filled_example() {
  if only_kvm; then
    filled system/qemu-rt.toml | sed 's/^# \(\[emulators\]\|x86_64 = \)/\1/'
  else
    filled system/qemu-rt.toml
  fi
}

setup_text() {
  filled "system/$1"
}

# shellcheck source=system/setup.sh
. "$source/system/setup.sh"

# --- Steps ------------------------------------------------------------------------------------------------------------

put_file() {
  filled "$2" | put "$1" "$root$3"
}

install_planner() {
  rm -rf "$lib.new" "$lib.old"
  mkdir -p "$lib.new"
  for file in "$source"/dist/*.mjs "$source"/dist/*.txt; do
    [ ! -f "$file" ] || install -m 644 "$file" "$lib.new/"
  done
  if [ -f "$source/dist/qemu-rt-planner" ]; then
    install -m 755 "$source/dist/qemu-rt-planner" "$lib.new/"
  fi
  # For a PATH in which libvirt looks for QEMU, when nobody says <emulator>.
  mkdir "$lib.new/emulators"
  for architecture in $(architectures); do
    ln -s ../../../bin/qemu-rt "$lib.new/emulators/qemu-system-$architecture"
  done
  # A VM may be starting: the directory is without a planner only between these two renames.
  [ ! -e "$lib" ] || mv "$lib" "$lib.old"
  mv "$lib.new" "$lib"
  rm -rf "$lib.old"
}

install_launcher() {
  # The path that the launcher looks in is the final one, without DESTDIR.
  sed "s|^qemu_rt_lib=.*|qemu_rt_lib=$prefix/lib/qemu-rt|" "$source/bin/qemu-rt" | put 755 "$bin/qemu-rt"
  remove_links
  for architecture in $(architectures); do
    ln -s qemu-rt "$bin/qemu-rt-system-$architecture"
  done
}

# Only what an installation made: links to the launcher, and for architectures whose QEMU has gone, too.
remove_links() {
  for entry in "$bin"/qemu-rt-system-*; do
    if [ "$(readlink "$entry" 2>/dev/null)" = qemu-rt ]; then
      rm -f "$entry"
    fi
  done
}

# As it lies in the checkout, so that the links in it lead somewhere. Manual pages have a place of their own.
install_docs() {
  rm -rf "$doc"
  mkdir -p "$doc"
  install -m 644 "$source/README.md" "$source/CHANGELOG.md" "$source/LICENSE" "$doc/"
  (cd "$source" && find docs examples -path docs/man -prune -o -type f -print) | while read -r file; do
    mkdir -p "$doc/${file%/*}"
    install -m 644 "$source/$file" "$doc/$file"
  done
}

# What the package's scripts read when the package is on its host.
install_setup() {
  install -d "$lib/system/apparmor"
  install -m 644 "$source/system/setup.sh" "$source/system/configure.sh" "$lib/system/"
  for part in apparmor/domain apparmor/daemon; do
    setup_text "$part" | put 644 "$lib/system/$part"
  done
}

install_example() {
  filled_example | put 644 "$root$example"
}

install_all() {
  for built in dist/qemu-rt.mjs bin/qemu-rt; do
    [ -f "$source/$built" ] || fail "$built is missing; run: npm ci && npm run build"
  done
  step "put the planner in $prefix/lib/qemu-rt" install_planner
  step "put the launcher in $prefix/bin, with qemu-rt-system-ARCH for: $(architectures | tr '\n' ' ')" install_launcher
  step "put the documentation in $prefix/share/doc/qemu-rt" install_docs
  files | while read -r mode file path; do
    step "write $path" put_file "$mode" "$file" "$path"
  done
  step "have systemd watch for upgrades of QEMU ($wanted)" enable_refresh
  if [ -e "$root$example" ]; then
    step "leave $example as it is" true
  else
    step "write $example, an example with nothing active" install_example
  fi
  if [ "$action" = package ]; then
    install_setup
    return
  fi
  confine install
  system_step "make /run/qemu-rt" install make_run_directories
  reload_systemd
  [ ! -d /run/systemd/system ] || system_step "start to watch for upgrades" systemctl systemctl start qemu-rt-refresh.path
}

enable_refresh() {
  mkdir -p "$(dirname "$root$wanted")"
  ln -sf ../qemu-rt-refresh.path "$root$wanted"
}

remove_example() {
  if [ -f "$root$example" ] && filled_example | cmp -s - "$root$example"; then
    rm -f "$root$example"
  elif [ -f "$root$example" ]; then
    echo "left, because it was changed: $example"
  fi
}

# VMs that run keep their leases there, so that another installation gives their CPUs and NICs to nobody else.
remove_state() {
  if find "$root/run/qemu-rt/leases" -type f 2>/dev/null | grep -q .; then
    echo "left, because VMs may run: /run/qemu-rt, and what is saved in /var/lib/qemu-rt"
  else
    rm -rf "$root/run/qemu-rt" "$root/var/lib/qemu-rt"
  fi
}

remove_directories() {
  directories | while read -r directory; do
    rmdir "$root$directory" 2>/dev/null || true
  done
  case $prefix in
    # Directories of the system, empty or not.
    /usr | /usr/local) return ;;
  esac
  for directory in bin lib share/doc share/man/man1 share/man/man5 share/man share/bash-completion/completions \
    share/bash-completion share/zsh/site-functions share/zsh share ''; do
    rmdir "$root$prefix/$directory" 2>/dev/null || true
  done
}

remove_all() {
  [ ! -d /run/systemd/system ] || system_step "stop watching" systemctl systemctl stop qemu-rt-refresh.path
  remove_links
  rm -f "$bin/qemu-rt" "$root$wanted"
  rm -rf "$lib" "$doc"
  files | while read -r _ _ path; do
    rm -f "$root$path"
  done
  confine uninstall
  remove_example
  remove_state
  remove_directories
  reload_systemd
}

case $action in
  check)
    install_all
    ;;
  install)
    install_all
    echo "installed in $prefix; ./install.sh --check lists the files, qemu-rt host check looks at them"
    [ -n "$root" ] || echo "libvirt reads hooks when its daemon starts: systemctl restart libvirtd (or virtqemud)"
    ;;
  package)
    install_all
    ;;
  uninstall)
    # What the host was like before is in there.
    [ ! -e "$root/var/lib/qemu-rt/host-apply.json" ] ||
      fail "qemu-rt host apply has changed this host; put it back first: qemu-rt host undo" 69
    [ ! -e "$root/var/lib/qemu-rt/host-isolate.json" ] ||
      fail "qemu-rt host isolate has changed this host; put it back first: qemu-rt host isolate --undo" 69
    needed=$(why_needed)
    [ -z "$needed" ] || fail "$needed" 69
    remove_all
    echo "removed from $prefix"
    ;;
esac
