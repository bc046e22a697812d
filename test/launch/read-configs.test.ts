import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readRequestFiles } from '../../src/launch/read-configs.js'
import { readRequest } from '../../src/plan/request.js'
import { temporaryDirectory } from '../launcher/launcher.js'

const TEXT = '[name]\n  guest = "from-file"\n'

/** The guest's name with the file that a command line names; null when the file was not looked at. */
function nameIn(path: string, isDomains: boolean, directory = ''): string | null {
  const words = ['-readconfig', path]
  const request = readRequest({ entry: 'qemu-system-x86_64', args: words, env: {}, hostArch: 'x64' })
  const seen = readRequestFiles(request, directory, isDomains)
  t.equal(seen.unseen.length, seen.guest.name === null ? 1 : 0)
  return seen.guest.name
}

/** A directory that nobody but root can change, also above. */
function rootsDirectory(t: Test): string {
  const directory = mkdtempSync('/usr/share/qemu-rt-test-')
  chmodSync(directory, 0o755)
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

t.test('a person may name any file that it may read', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'vm.cfg'), TEXT)
  t.equal(nameIn(join(directory, 'vm.cfg'), false), 'from-file')
  t.equal(nameIn('vm.cfg', false, directory), 'from-file')
  execFileSync('mkfifo', [join(directory, 'fifo')])
  writeFileSync(join(directory, 'large'), `${TEXT}#${'x'.repeat(1 << 20)}\n`)
  for (const other of ['absent', 'fifo', 'large', '.'])
    t.equal(nameIn(join(directory, other), false), null, other)
  t.equal(nameIn('/dev/null', false), null)
})

t.test(
  'root opens no file of a domain but what root alone can change and all may read',
  { skip: process.geteuid?.() !== 0 && 'not root' },
  async (t) => {
    const directory = rootsDirectory(t)
    const put = (name: string, mode: number) => {
      writeFileSync(join(directory, name), TEXT)
      chmodSync(join(directory, name), mode)
      return join(directory, name)
    }
    t.equal(nameIn(put('vm.cfg', 0o644), true), 'from-file')
    symlinkSync('vm.cfg', join(directory, 'link'))
    const users = put('users', 0o644)
    chownSync(users, 65_534, 65_534)
    mkdirSync(join(directory, 'open'))
    chmodSync(join(directory, 'open'), 0o777)
    const refused = {
      'a secret': put('secret', 0o600),
      'a file that others can write': put('shared', 0o666),
      "a user's file": users,
      'a link': join(directory, 'link'),
      'a file that others can exchange': put('open/vm.cfg', 0o644),
      'a device': '/dev/null',
      'no file': join(directory, 'absent'),
    }
    for (const [name, path] of Object.entries(refused)) t.equal(nameIn(path, true), null, name)
  },
)
