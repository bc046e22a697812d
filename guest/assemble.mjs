// Assembles the guest of `qemu-rt jitter`: prints src/jitter/guest-image.ts, or with --base64 the image alone. Needs
// binutils, which is why the result is kept.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-guest-'))
try {
  const object = join(directory, 'jitter.o')
  const image = join(directory, 'jitter.bin')
  execFileSync('as', ['--32', '-o', object, new URL('jitter.S', import.meta.url).pathname])
  // The address in its header.
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext=0x100000', '--oformat=binary', '-o', image, object])
  const base64 = readFileSync(image).toString('base64')
  process.stdout.write(process.argv.includes('--base64') ? base64 : module(base64))
} finally {
  rmSync(directory, { recursive: true })
}

function module(base64) {
  const lines = base64.match(/.{1,90}/g).map((line) => `'${line}'`)
  return `// Made by guest/assemble.mjs from guest/jitter.S; do not edit.

/** The guest: an image that QEMU's -kernel loads. */
export const GUEST_IMAGE = Buffer.from(
  ${lines.join(' +\n    ')},
  'base64',
)
`
}
