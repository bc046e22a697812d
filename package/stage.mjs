// What goes into a package: the files as they lie on a host, all of one time.
import {
  existsSync,
  lutimesSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { execaSync } from 'execa'

/** Names of this machine's architecture, by Node's. */
const ARCHITECTURES = { x64: { deb: 'amd64', rpm: 'x86_64' }, arm64: { deb: 'arm64', rpm: 'aarch64' } }

/** @returns version, summary, architecture, and the time of everything in the package, in seconds since 1970 */
export function describePackage() {
  const { version, description, license } = JSON.parse(readFileSync('package.json', 'utf8'))
  const architecture = ARCHITECTURES[process.arch]
  if (architecture === undefined || !existsSync('dist/qemu-rt-planner')) {
    throw new Error(
      'dist/qemu-rt-planner is missing, which is the runtime in a package: run npm ci && npm run build on amd64 or arm64',
    )
  }
  return { version, description, license, architecture, epoch: timeOfSources() }
}

/** SOURCE_DATE_EPOCH, else the commit's time; of an unpacked archive that of package.json. */
function timeOfSources() {
  const given = process.env.SOURCE_DATE_EPOCH
  if (given) return Number(given)
  try {
    return Number(execaSync('git', ['log', '-1', '--format=%ct']).stdout)
  } catch {
    return Math.floor(statSync('package.json').mtimeMs / 1000)
  }
}

/** @returns a function that puts the files below a new directory, for each kind of package its own */
export function stage(scratch, { epoch }) {
  return (kind, change = () => {}) => {
    const root = join(scratch, kind)
    execaSync('./install.sh', ['--prefix', '/usr', '--package'], {
      env: { DESTDIR: root },
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    for (const page of ['man1/qemu-rt.1', 'man5/qemu-rt.toml.5']) compress(join(root, 'usr/share/man', page))
    for (const name of readdirSync(join(root, 'usr/bin')).filter((one) =>
      one.startsWith('qemu-rt-system-'),
    )) {
      symlinkSync('qemu-rt.1.gz', join(root, `usr/share/man/man1/${name}.1.gz`))
    }
    change(root)
    for (const path of [root, ...readdirSync(root, { recursive: true }).map((name) => join(root, name))]) {
      lutimesSync(path, epoch, epoch)
    }
    return root
  }
}

/** As gzip -9n: without a name and a time in it. */
function compress(file) {
  writeFileSync(`${file}.gz`, gzipSync(readFileSync(file), { level: 9 }), { mode: 0o644 })
  rmSync(file)
}
