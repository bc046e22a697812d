/** Who has made a package: DEBFULLNAME and DEBEMAIL, as Debian's tools have it; else whoever it was, for their own hosts. */
export function maintainer() {
  const { DEBFULLNAME, DEBEMAIL } = process.env
  return DEBEMAIL ? `${DEBFULLNAME ?? 'qemu-rt'} <${DEBEMAIL}>` : 'qemu-rt developers <root@localhost>'
}
