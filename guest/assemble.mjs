// Assembles a guest of `qemu-rt jitter`, that of guest/jitter.S or, as `network`, of guest/network.S: prints the module that
// has it, or with --base64 the image alone. Needs binutils, which is why the result is kept.
// Each binutils gives the same bytes (tried: 2.40, 2.44, 2.47) as long as an alignment says what it is filled with, since
// the no-operations differ, and no comment begins with a number, which is a line's number for the assembler.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CONSTANTS = { jitter: 'GUEST_IMAGE', network: 'NETWORK_GUEST_IMAGE' }

const name = process.argv.includes('network') ? 'network' : 'jitter'
const sources = new URL('.', import.meta.url).pathname
const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-guest-'))
try {
  const object = join(directory, 'guest.o')
  const image = join(directory, 'guest.bin')
  execFileSync('as', ['--32', '-I', sources, '-o', object, join(sources, `${name}.S`)])
  // The address in its header.
  execFileSync('ld', ['-m', 'elf_i386', '-Ttext=0x100000', '--oformat=binary', '-o', image, object])
  const base64 = readFileSync(image).toString('base64')
  process.stdout.write(process.argv.includes('--base64') ? base64 : module(base64))
} finally {
  rmSync(directory, { recursive: true })
}

function module(base64) {
  const lines = base64.match(/.{1,90}/g).map((line) => `'${line}'`)
  return `// Made by guest/assemble.mjs from guest/${name}.S; do not edit.

/** The guest: an image that QEMU's -kernel loads. */
export const ${CONSTANTS[name]} = Buffer.from(
  ${lines.join(' +\n    ')},
  'base64',
)
`
}
