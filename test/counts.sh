# shellcheck shell=sh
# Counts what a log of tests says. For .ci/run and matrix/inside.sh.

# $1 log in TAP, $2 pass, fail or skip: the number. tap closes with `# { total: 9, pass: 8, fail: 1 }`, without what is nought.
suite_count() {
  found=$(sed -n "s/^# {.*[{ ]$2: \([0-9]*\).*/\1/p" "$1" | tail -n 1)
  echo "${found:-0}"
}

# $1 log of the lab, $2 passed or failed: the number. A lab that has not come to its last line has failed.
lab_count() {
  last=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n 1)
  : "${last:=0 passed, 1 failed}"
  case $2 in
    passed) echo "${last%% *}" ;;
    failed) echo "${last#*, }" | sed 's/ .*//' ;;
  esac
}

# $1 log in TAP: each failed test and what it asserts, in the file whose name comes before them. At any depth: the innermost says why.
failed_tests() {
  awk '
    sub(/^# Subtest: /, "in ") { file = $0; next }
    /^ *not ok / {
      sub(/ # time=.*/, "")
      if (file != "") print file
      file = ""
      print
    }' "$1"
}
