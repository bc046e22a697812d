import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { buildSync } from 'esbuild'
import fc from 'fast-check'
import t from 'tap'
import { decodeBytes, encodeBytes, losslessArguments } from '../../src/argv/bytes.js'

t.test('any bytes come back', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) =>
      encodeBytes(decodeBytes(bytes)).equals(Buffer.from(bytes)),
    ),
    { numRuns: 500 },
  )
})

t.test('valid UTF-8 is plain text, a stray byte is a lone surrogate', async (t) => {
  t.equal(decodeBytes(Buffer.from('grün € 🙂')), 'grün € 🙂')
  t.equal(decodeBytes(Buffer.from([0x61, 0xff, 0xc3, 0xa9, 0xc3])), 'a\udcffé\udcc3')
  t.equal(decodeBytes(Buffer.from([0xef, 0xbb, 0xbf, 0x61])), '\ufeffa', 'a byte order mark is kept')
  t.strictSame(encodeBytes('a\udcff🙂'), Buffer.concat([Buffer.from([0x61, 0xff]), Buffer.from('🙂')]))
})

t.test('arguments without a replaced byte are taken as they are', async (t) => {
  t.strictSame(losslessArguments(['a', 'é']), ['a', 'é'])
  t.strictSame(losslessArguments([]), [])
})

t.test(
  'arguments that are not UTF-8 are read from the kernel',
  { skip: process.platform !== 'linux' },
  async (t) => {
    const bundle = join(t.testdir({}), 'bytes.mjs')
    buildSync({
      entryPoints: ['src/argv/bytes.ts'],
      outfile: bundle,
      bundle: true,
      format: 'esm',
      platform: 'node',
    })
    const script = `import(${JSON.stringify(bundle)}).then(({ losslessArguments, encodeBytes }) => {
    const args = losslessArguments(process.argv.slice(1))
    process.stdout.write(args.map((a) => encodeBytes(a).toString('hex')).join(' '))
  })`
    const command = `exec "$0" "$@" plain "$(printf 'a\\377b')" ''`
    const out = execFileSync('sh', ['-c', command, process.execPath, '-e', script, '--']).toString()
    t.equal(out, '706c61696e 61ff62 ')
  },
)
