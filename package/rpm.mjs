// A package for Fedora, RHEL and SUSE, by rpmbuild.
import { copyFileSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { execaSync } from 'execa'
import { maintainer } from './maintainer.mjs'

export function makeRpm({ about, staged, scratch, out }) {
  const { version, architecture, epoch } = about
  const root = staged('rpm')
  const top = join(scratch, 'rpmbuild')
  mkdirSync(top)
  const spec = join(top, 'qemu-rt.spec')
  writeFileSync(spec, specOf(about, root))
  execaSync(
    'rpmbuild',
    [
      ...['-bb', '--quiet', '--target', architecture.rpm, '--buildroot', join(top, 'root')],
      ...Object.entries({ ...MACROS, _topdir: top, staged: root }).flatMap(([name, value]) => [
        '--define',
        `${name} ${value}`,
      ]),
      spec,
    ],
    { env: { SOURCE_DATE_EPOCH: String(epoch) }, stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const name = `qemu-rt-${version}-1.${architecture.rpm}.rpm`
  copyFileSync(join(top, 'RPMS', architecture.rpm, name), join(out, name))
  return join(out, name)
}

const MACROS = {
  // The default, zstd 19, takes a minute for the executable and saves an eighth. rpm reads zstd since 4.14 (RHEL 8).
  _binary_payload: 'w7.zstdio',
  // The same bytes each time.
  _buildhost: 'localhost',
  use_source_date_epoch_as_buildtime: '1',
  clamp_mtime_to_source_date_epoch: '1',
  _build_id_links: 'none',
  // No stripping: Bun's executable carries the program behind its last section.
  __os_install_post: '%{nil}',
  debug_package: '%{nil}',
  _unpackaged_files_terminate_build: '1',
}

function specOf({ version, description, license, epoch }, root) {
  return readFileSync('package/rpm/qemu-rt.spec', 'utf8')
    .replace('@license@', license)
    .replace('@summary@', description.split(':')[0] ?? '')
    .replaceAll('@packager@', maintainer())
    .replace('@date@', rpmDate(epoch))
    .replaceAll('@version@', version)
    .replace('@files@', filesOf(root).join('\n'))
}

/** Directories that are ours as such, and every file. */
function filesOf(root) {
  return readdirSync(root, { recursive: true })
    .sort()
    .flatMap((name) => {
      const file = lstatSync(join(root, name))
      if (!file.isDirectory()) return [`${kindOf(name, (file.mode & 0o111) !== 0)}"/${name}"`]
      return /(^|\/)qemu-rt(\/|$)/.test(name) ? [`%dir "/${name}"`] : []
    })
}

/** What is the administrator's to change, but for the hook: rpm would leave an old one in place of a new one. */
function kindOf(name, isExecutable) {
  if (name.startsWith('etc/') && !isExecutable) return '%config(noreplace) '
  return name.startsWith('usr/share/doc/') ? '%doc ' : ''
}

function rpmDate(epoch) {
  const [weekday, day, month, year] = new Date(epoch * 1000).toUTCString().replace(',', '').split(' ')
  return `${weekday} ${month} ${day} ${year}`
}
