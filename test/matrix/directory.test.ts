import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { makeDirectory } from '../../matrix/directory.js'

t.test('roots are kept where nobody else looks, and not where others can exchange them', async (t) => {
  if (process.geteuid?.() !== 0) {
    t.pass('owners', { skip: 'only root can give files away' })
    return
  }
  const top = mkdtempSync('/tmp/qemu-rt-matrix-')
  t.teardown(() => rmSync(top, { recursive: true }))
  const umask = process.umask(0)
  t.teardown(() => process.umask(umask))
  const made = join(top, 'made')
  t.equal(makeDirectory(made), null)
  t.equal(statSync(made).mode & 0o777, 0o700)
  const theirs = join(top, 'theirs')
  mkdirSync(theirs, { mode: 0o755 })
  chownSync(theirs, 1234, 1234)
  const open = join(top, 'open')
  mkdirSync(open)
  chmodSync(open, 0o777)
  symlinkSync(theirs, join(top, 'link'))
  for (const path of [theirs, open, join(theirs, 'below'), join(open, 'below'), join(top, 'link')])
    t.match(makeDirectory(path), /others than root can write or exchange .*--directory/)
})
