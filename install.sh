#!/bin/sh
# Installs qemu-rt from a checkout that is built (npm ci && npm run build), or removes it again.
set -eu
# libvirt's user must be able to run what root installs.
umask 022

usage() {
  cat <<'END'
usage: ./install.sh [--prefix DIR] [--uninstall]
  --prefix DIR   where to (default: /usr/local); bin/, lib/qemu-rt/ and share/doc/qemu-rt/ go beneath it
  --uninstall    remove what an installation with the same prefix has put there
DESTDIR in the environment is put before every path, for packagers.
END
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 64
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
    --uninstall) action=uninstall ;;
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
bin=${DESTDIR-}$prefix/bin
lib=${DESTDIR-}$prefix/lib/qemu-rt
doc=${DESTDIR-}$prefix/share/doc/qemu-rt
hooks=${DESTDIR-}/etc/libvirt/hooks/qemu.d

# One entry for each QEMU of this host, and always the usual one: libvirt names it before QEMU may be there.
architectures() {
  {
    echo x86_64
    for emulator in /usr/bin/qemu-system-*; do
      [ -x "$emulator" ] && echo "${emulator#/usr/bin/qemu-system-}"
    done
  } | sort -u
}

# Only what an installation made: links to the launcher, and for architectures whose QEMU has gone, too.
remove_links() {
  for entry in "$bin"/qemu-rt-system-*; do
    if [ "$(readlink "$entry" 2>/dev/null)" = qemu-rt ]; then
      rm -f "$entry"
    fi
  done
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
  # A VM may be starting: the directory is without a planner only between these two renames.
  [ ! -e "$lib" ] || mv "$lib" "$lib.old"
  mv "$lib.new" "$lib"
  rm -rf "$lib.old"
}

install_launcher() {
  mkdir -p "$bin"
  # The path that the launcher looks in is the final one, without DESTDIR.
  sed "s|^qemu_rt_lib=.*|qemu_rt_lib=$prefix/lib/qemu-rt|" "$source/bin/qemu-rt" >"$bin/.qemu-rt.new"
  chmod 755 "$bin/.qemu-rt.new"
  mv "$bin/.qemu-rt.new" "$bin/qemu-rt"
  remove_links
  for architecture in $(architectures); do
    ln -s qemu-rt "$bin/qemu-rt-system-$architecture"
  done
}

install_hook() {
  mkdir -p "$hooks"
  sed "s|@bin@|$prefix/bin|" "$source/system/hook" >"$hooks/.qemu-rt.new"
  chmod 755 "$hooks/.qemu-rt.new"
  mv "$hooks/.qemu-rt.new" "$hooks/qemu-rt"
}

install_all() {
  [ -f "$source/dist/qemu-rt.mjs" ] || fail "dist/ is missing; run: npm ci && npm run build"
  install_planner
  install_launcher
  install_hook
  rm -rf "$doc"
  mkdir -p "$doc"
  install -m 644 "$source/README.md" "$source/LICENSE" "$source"/docs/*.md "$source"/examples/*.toml "$doc/"
}

remove_all() {
  remove_links
  rm -f "$bin/qemu-rt"
  rm -rf "$lib" "$doc"
  case $prefix in
    # Directories of the system, empty or not.
    /usr | /usr/local) return ;;
  esac
  for directory in bin lib share/doc share; do
    rmdir "${DESTDIR-}$prefix/$directory" 2>/dev/null || true
  done
}

if [ "$action" = install ]; then
  install_all
  echo "installed in $prefix: bin/qemu-rt, bin/qemu-rt-system-*, lib/qemu-rt, share/doc/qemu-rt"
else
  remove_all
  echo "removed from $prefix"
fi
