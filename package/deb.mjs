// A package for Debian and Ubuntu, by dpkg-deb.
import { createHash } from 'node:crypto'
import {
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { execaSync } from 'execa'
import { maintainer } from './maintainer.mjs'

export function makeDeb({ about, staged, out }) {
  const { version, architecture, epoch } = about
  const root = staged('deb', (root) => {
    // Where Debian's zsh looks for completions of packages.
    mkdirSync(join(root, 'usr/share/zsh/vendor-completions'))
    renameSync(
      join(root, 'usr/share/zsh/site-functions/_qemu-rt'),
      join(root, 'usr/share/zsh/vendor-completions/_qemu-rt'),
    )
    rmdirSync(join(root, 'usr/share/zsh/site-functions'))
    writeDocs(root, about)
    writeControl(root, about)
  })
  const file = join(out, `qemu-rt_${version}_${architecture.deb}.deb`)
  // xz saves an eighth and takes twenty times as long.
  execaSync('dpkg-deb', ['--root-owner-group', '-Zgzip', '--build', root, file], {
    env: { SOURCE_DATE_EPOCH: String(epoch) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return file
}

function writeDocs(root, { version, epoch }) {
  const doc = join(root, 'usr/share/doc/qemu-rt')
  const date = new Date(epoch * 1000).toUTCString().replace('GMT', '+0000')
  const changelog = `qemu-rt (${version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n -- ${maintainer()}  ${date}\n`
  writeFileSync(join(doc, 'changelog.gz'), gzipSync(changelog, { level: 9 }))
  copyFileSync('package/deb/copyright', join(doc, 'copyright'))
  // The same licence is in /usr/share/common-licenses.
  rmSync(join(doc, 'LICENSE'))
  const overrides = join(root, 'usr/share/lintian/overrides')
  mkdirSync(overrides, { recursive: true })
  copyFileSync('package/deb/lintian-overrides', join(overrides, 'qemu-rt'))
}

function writeControl(root, { version, architecture }) {
  const control = join(root, 'DEBIAN')
  const files = readdirSync(root, { recursive: true })
    .filter((name) => lstatSync(join(root, name)).isFile())
    .sort()
  const bytes = files.reduce((total, name) => total + lstatSync(join(root, name)).size, 0)
  mkdirSync(control)
  const text = readFileSync('package/deb/control', 'utf8')
    .replace('@version@', version)
    .replace('@architecture@', architecture.deb)
    .replace('@maintainer@', maintainer())
    .replace('@size@', String(Math.ceil(bytes / 1024)))
  writeFileSync(join(control, 'control'), text)
  const sums = files.map(
    (name) =>
      `${createHash('md5')
        .update(readFileSync(join(root, name)))
        .digest('hex')}  ${name}\n`,
  )
  writeFileSync(join(control, 'md5sums'), sums.join(''))
  // Everything in /etc is the administrator's to change.
  writeFileSync(
    join(control, 'conffiles'),
    files
      .filter((name) => name.startsWith('etc/'))
      .map((name) => `/${name}\n`)
      .join(''),
  )
  copyFileSync('package/deb/triggers', join(control, 'triggers'))
  for (const script of ['postinst', 'prerm', 'postrm']) {
    writeFileSync(join(control, script), readFileSync(`package/deb/${script}`), { mode: 0o755 })
  }
}
