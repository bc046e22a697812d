#!/bin/sh
# Runs in a root of the matrix, as root, in a fresh copy of the project: $1 is facts, suite, lab or shell. For the suite the rest are
# the tests to run, by default all; for the lab they are names of parts that are run besides those with a number. What is seen is
# left in /results: facts (KEY=VALUE lines), suite.log, lab.log.
set -u
cd /src/qemu-rt || exit
. test/counts.sh
what=$1
shift

fact() {
  echo "$1=$2" >>/results/facts
}

case $what in
  facts)
    fact qemu "$(qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')"
    fact libvirt "$(libvirtd --version | sed 's/.* //')"
    fact node "$(node --version | tr -d v)"
    fact npm "$(npm --version)"
    fact dpdk "$(dpkg-query --show --showformat='${Version}' dpdk-dev | sed 's/-.*//')"
    fact kernel "$(apt-cache depends linux-image-rt-amd64 | sed -n 's/.*linux-image-\(.*\)-rt-amd64$/\1/p')"
    ;;
  suite)
    # Not npm test: what biome, tsc, knip and the coverage say of the code is the same on each release, and .ci/run here asks them.
    { npm ci && npm run build && npx tap --reporter=tap --disable-coverage "$@"; } >/results/suite.log 2>&1
    fact suite-status $?
    fact suite-passed "$(suite_count /results/suite.log pass)"
    fact suite-failed "$(suite_count /results/suite.log fail)"
    fact suite-skipped "$(suite_count /results/suite.log skip)"
    ;;
  lab)
    # No name has a space.
    # shellcheck disable=SC2046
    set -- $(for part in "$@"; do echo "--with $part"; done)
    { [ -d node_modules ] || npm ci; } >/results/lab.log 2>&1 && npm run --silent lab -- "$@" >>/results/lab.log 2>&1
    fact lab-status $?
    fact lab-passed "$(lab_count /results/lab.log passed)"
    fact lab-failed "$(lab_count /results/lab.log failed)"
    ;;
  shell)
    exec bash -l
    ;;
esac
