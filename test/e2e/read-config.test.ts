import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { mergedValue, parseCommandLine, wordsOf } from '../../src/argv/command-line.js'
import { withFiles } from '../../src/argv/files.js'
import { UserError } from '../../src/errors/user-error.js'
import { temporaryDirectory } from '../launcher/launcher.js'
import { startBackEnd } from './back-end.js'
import { QEMU, startQemu } from './launch.js'
import { needs } from './needs.js'
import { sharedMappings } from './shared-mappings.js'

/** How a file of this text is started, with a vhost-user back end that it may name as SOCKET. */
async function startFile(t: Test, through: 'launcher' | 'qemu', text: string, more: readonly string[] = []) {
  const directory = temporaryDirectory(t)
  const socket = join(directory, 'vhost-user')
  await startBackEnd(t, socket)
  const file = join(directory, 'vm.cfg')
  writeFileSync(file, text.replace('SOCKET', socket))
  const qemu = startQemu(t, through, ['-S', '-readconfig', file, ...more])
  return { qemu, qmp: await qemu.qmp() }
}

const NIC = `[chardev "c0"]
  backend = "socket"
  path = "SOCKET"
[netdev "n0"]
  type = "vhost-user"
  chardev = "c0"
[device "net0"]
  driver = "virtio-net-pci"
  netdev = "n0"
`
const PLAIN = '[machine]\n  type = "q35"\n[memory]\n  size = "64"\n'
const SHARED = `[machine]
  type = "q35"
  memory-backend = "mem0"
[memory]
  size = "64M"
[object "mem0"]
  qom-type = "memory-backend-memfd"
  size = "64M"
  share = "on"
`

const sharedMebibytes = (pid: number) => sharedMappings(pid).map(({ mebibytes }) => mebibytes)

t.test('a vhost-user device of a -readconfig file can map the RAM of the guest', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const cases: readonly [string, string, readonly string[]][] = [
    ['all in the file', PLAIN + NIC, []],
    ['RAM on the command line, before the file', NIC, ['-machine', 'q35', '-m', '64M']],
    ['RAM of the file that is shared already', SHARED + NIC, []],
  ]
  for (const [name, text, more] of cases) {
    await t.test(name, async (t) => {
      const { qemu, qmp } = await startFile(t, 'launcher', text, more)
      t.strictSame(sharedMebibytes(qemu.pid), [64])
      t.match(await qmp.execute('query-memdev'), [{ share: true, size: 2 ** 26 }])
      t.same(await qmp.execute('query-memory-size-summary'), { 'base-memory': 2 ** 26, 'plugged-memory': 0 })
      await qemu.stop()
      t.notMatch(qemu.stderr(), /qemu-rt/)
    })
  }
  await t.test('without the wrapper it cannot', async (t) => {
    const { qemu } = await startFile(t, 'qemu', PLAIN + NIC)
    t.strictSame(sharedMebibytes(qemu.pid), [])
  })
})

t.test('what a file says of a device is overridden by -set', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const config = join(temporaryDirectory(t), 'qemu-rt.toml')
  writeFileSync(
    config,
    '[[rule]]\noption = "device"\nmatch = { driver = "e1000e" }\nset = { mac = "52:54:00:00:00:07" }\n',
  )
  const text =
    '[device "nic0"]\n  driver = "e1000e"\n  mac = "52:54:00:00:00:01"\n[machine]\n  type = "q35"\n'
  const { qmp } = await startFile(t, 'launcher', text, ['--rt-config', config])
  t.match(await qmp.execute('human-monitor-command', { 'command-line': 'info network' }), /52:54:00:00:00:07/)
})

/** The guest's name by QEMU; null when it does not start. */
function nameByQemu(file: string): string | null {
  const input = '{"execute":"qmp_capabilities"}{"execute":"query-name"}{"execute":"quit"}'
  const args = ['-machine', 'none', '-nodefaults', '-display', 'none', '-qmp', 'stdio', '-readconfig', file]
  const { stdout, status } = spawnSync(QEMU, args, { input, encoding: 'utf8' })
  if (status !== 0) return null
  const answers = stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('{"return"') ? [JSON.parse(line)] : []))
  return answers[1]?.return.name ?? ''
}

/** The guest's name here; null for what is refused. */
function nameHere(path: string, text: string): string | null {
  try {
    const line = withFiles(parseCommandLine(wordsOf(['-readconfig', path])), [{ path, text }])
    return mergedValue(line, 'name', 'guest') ?? ''
  } catch (error) {
    if (error instanceof UserError) return null
    throw error
  }
}

t.test('QEMU reads the same in a file', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const file = join(temporaryDirectory(t), 'vm.cfg')
  const texts = [
    '[name]\n  guest = "a"\n',
    '[name]\nguest = "a"\nguest = "b"\n',
    '[name]\n  guest = "a"\n[name]\n  guest = "b"\n',
    '[name]\n  guest = "a" # rest\n',
    '[name]\n\tguest\t=\t"a"\r\n',
    '[name]\n  guest = "a,b=c"\n',
    '[name]\n  guest = "a\\"b"\n',
    '[name]\n  guest = "open',
    '[name]\n  guest = " ä "\n',
    `[name]\n  guest = "${'a'.repeat(900)}"\n`,
    '#[name]\n\n[name]\n# guest = "x"\n  guest = "a"\n',
    '[name]\n  guest = "a"\n   \n',
    '[name]\n  guest = "a"\n\r\n',
    '[name]\n  guest="a"\n',
    '[name]\n  guest ="a"\n',
    '[name]\n  guest= "a"\n',
    '  guest = "a"\n',
    '[]\n',
    '[]\n[name]\n guest = "a"\n',
    '[name "x"]\n  guest = "a"\n',
    '[ name ]\n  guest = "a"\n',
    ' [name]\n  guest = "a"\n',
    '[name]\n  guest = "a"\n  # a comment that is none\n',
    `[name]\n  guest = "a"\n#${'c'.repeat(1500)}\n`,
    `[name]\n  guest = "a"\n#${'c'.repeat(1022)}guest = "b"\n`,
    '',
  ]
  for (const text of texts) {
    writeFileSync(file, text)
    const name = nameByQemu(file)
    const here = nameHere(file, text)
    // A group or a key that no QEMU has is QEMU's to refuse.
    if (name !== null) t.equal(here, name, JSON.stringify(text.slice(0, 60)))
    else t.pass(`QEMU refuses ${JSON.stringify(text.slice(0, 60))}`)
  }
})
