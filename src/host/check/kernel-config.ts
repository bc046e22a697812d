import { readProcBytes } from '../proc.js'
import { readAttribute } from '../sysfs.js'
import type { Root } from '../sysroot.js'
import type { FileFact } from './facts.js'

/** The longest is about 300 KiB. */
const MAX_BYTES = 4 << 20

/** Where a kernel's build configuration lies: Debian's and most others', Fedora's and its kin's, and the kernel itself. */
function kernelConfigPaths(release: string): string[] {
  return [`/boot/config-${release}`, `/lib/modules/${release}/config`, '/proc/config.gz']
}

/** Reads the build configuration of the kernel that runs. */
export function readKernelConfig(root: Root): FileFact {
  const release = readAttribute(`${root}/proc/sys/kernel/osrelease`)
  if (release === null || !/^[\w.+~-]+$/.test(release)) return { text: null, why: 'ENOENT' }
  for (const path of kernelConfigPaths(release)) {
    const bytes = readProcBytes(root + path)
    if (bytes === null || bytes.length > MAX_BYTES) continue
    const text = path.endsWith('.gz') ? unzip(bytes) : bytes.toString('latin1')
    if (text !== null) return { text }
  }
  return { text: null, why: 'ENOENT' }
}

function unzip(bytes: Buffer): string | null {
  // Not imported: with it every launch would start 2 ms later, as Bun sets up all of its streams.
  const { gunzipSync } = process.getBuiltinModule('node:zlib')
  try {
    return gunzipSync(bytes, { maxOutputLength: MAX_BYTES }).toString('latin1')
  } catch {
    return null
  }
}
