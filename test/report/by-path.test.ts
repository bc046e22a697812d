import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  existsSync,
  linkSync,
  openSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { isRootsAlone, writeByPath } from '../../src/report/by-path.js'

const needsRoot = process.getuid?.() === 0 ? {} : { skip: "a file of root's is root's to make" }

t.test("a line is added to a file of root's alone, and to nothing else", needsRoot, async (t) => {
  const directory = t.testdir({})
  const make = (name: string) => {
    writeFileSync(join(directory, name), 'before\n', { mode: 0o644 })
    return join(directory, name)
  }
  const write = (path: string) => writeByPath(path, 'line\n', isRootsAlone)
  const good = make('good')
  t.ok(write(good))
  t.equal(readFileSync(good, 'utf8'), 'before\nline\n')

  const [others, open, twice, aim] = [make('others'), make('open'), make('twice'), make('aim')]
  const at = (name: string) => join(directory, name)
  const [link, fifo, none] = [at('link'), at('fifo'), at('none')]
  chownSync(others, 65534, 65534)
  chmodSync(open, 0o664)
  linkSync(twice, `${twice}-again`)
  symlinkSync(aim, link)
  execFileSync('mkfifo', [fifo])
  // Somebody reads there.
  const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK)
  t.teardown(() => closeSync(reader))
  for (const path of [others, open, twice, link, fifo, none, directory]) t.notOk(write(path), path)
  for (const path of [others, open, twice, aim]) t.equal(readFileSync(path, 'utf8'), 'before\n', path)
  t.notOk(existsSync(none))
})
