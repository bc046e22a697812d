import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'

const SCRIPT = readFileSync(fileURLToPath(new URL('../../system/hook', import.meta.url)), 'utf8')

t.test('what the script writes into the log has nothing in it that a reader obeys', async (t) => {
  const directory = t.testdir({})
  const program = (name: string, text: string) => {
    writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(directory, name), 0o755)
  }
  program('hook', SCRIPT.replaceAll('@bin@', directory).replace(/^#!.*\n/, ''))
  program('qemu-rt', 'exit 3')
  program('logger', `printf '%s\\n' "$@" >"${directory}/said"`)
  const env = { PATH: `${directory}:${process.env.PATH}` }
  const args = ['plc \u001b[2J\u202e\u009b31m', 'release', 'end', '-']
  t.equal(spawnSync(join(directory, 'hook'), args, { env, input: '' }).status, 0)
  t.match(
    readFileSync(join(directory, 'said'), 'utf8'),
    /^--tag\nqemu-rt\n--\nguest 'plc [ -~]+': the hook failed at release \(exit code 3\)\n$/,
  )
})

const UUID = '6b0c3c52-4a4e-4b7a-9d6c-0123456789ab'
const EMULATOR = '/usr/bin/qemu-system-x86_64'

/** As libvirt writes it: the UUID is the second element. */
function xmlOf(emulator: string, uuid = UUID, more = ''): string {
  return `<domain type='kvm' id='1'>\n  <name>plc-1</name>\n  <uuid>${uuid}</uuid>\n${more}
  <devices>\n    <emulator>${emulator}</emulator>\n  </devices>\n</domain>\n`
}

/**
 * The script with a wrapper that writes down how it was called, and records in a directory of the test's. Not in the project's: the
 * script looks for the wrapper's name in the XML, and a clone may have it in its path.
 */
function script(t: Test, wrapper = '') {
  const directory = mkdtempSync(join(tmpdir(), 'hook-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  mkdirSync(join(directory, 'vms'))
  const program = (name: string, text: string) => {
    writeFileSync(join(directory, name), text)
    chmodSync(join(directory, name), 0o755)
  }
  const text = SCRIPT.replaceAll('@bin@', directory).replaceAll('/run/qemu-rt/vms', `${directory}/vms`)
  program('hook', text)
  program(
    'qemu-rt',
    `#!/bin/sh\nprintf '%s\\n' "$*" >'${directory}/called'\ncat >'${directory}/given'\n${wrapper}\n`,
  )
  const read = (name: string) =>
    existsSync(join(directory, name)) ? readFileSync(join(directory, name), 'utf8') : null
  const call = (operation: string, input: string) => {
    for (const name of ['called', 'given']) rmSync(join(directory, name), { force: true })
    const args = ['plc-1', ...operation.split(' '), '-']
    const { status, stderr, stdout } = spawnSync(join(directory, 'hook'), args, { input, encoding: 'utf8' })
    return { status, stderr, stdout, called: read('called'), given: read('given') }
  }
  const record = (uuid = UUID) => writeFileSync(join(directory, `vms/libvirt-${uuid}.json`), '{}')
  return { directory, call, record }
}

t.test('prepare: the XML of a domain that names the wrapper is passed on, whole', async (t) => {
  const { call } = script(t)
  // Longer than what a pipe takes at once, with what a shell would read.
  const more = Array.from({ length: 4000 }, (_, n) => `  <a n='${n}'>\\n $(id) \`id\` XML</a>\nXML`).join(
    '\n',
  )
  const xml = xmlOf('/usr/bin/qemu-rt-system-x86_64', UUID, more)
  const { status, stdout, called, given } = call('prepare begin', xml)
  t.equal(status, 0)
  t.equal(stdout, '')
  t.equal(called, 'hook plc-1 prepare begin -\n')
  t.equal(given, xml)
})

t.test("prepare: what the wrapper says and how it ends are the hook's", async (t) => {
  const { call } = script(t, 'echo "qemu-rt: no" >&2; exit 69')
  const { status, stderr } = call('prepare begin', xmlOf('/usr/bin/qemu-rt-system-x86_64'))
  t.equal(status, 69)
  t.equal(stderr, 'qemu-rt: no\n')
})

t.test(
  'prepare: another domain is left alone, but for a link to the wrapper, and for one with a record',
  async (t) => {
    const { directory, call, record } = script(t)
    t.strictSame(call('prepare begin', xmlOf(EMULATOR)), {
      status: 0,
      stderr: '',
      stdout: '',
      called: null,
      given: null,
    })
    symlinkSync(join(directory, 'qemu-rt'), join(directory, 'kvm'))
    t.equal(call('prepare begin', xmlOf(join(directory, 'kvm'))).called, 'hook plc-1 prepare begin -\n')
    const hidden = `<metadata>\n<emulator>${EMULATOR}</emulator>\n</metadata>\n`
    t.ok(call('prepare begin', xmlOf(join(directory, 'kvm'), UUID, hidden)).called, 'behind another one')
    const owners = hidden.replace(EMULATOR, join(directory, 'kvm'))
    t.equal(call('prepare begin', xmlOf(EMULATOR, UUID, owners)).called, null, 'one that the owner wrote')
    record()
    t.equal(call('prepare begin', xmlOf(EMULATOR)).called, 'hook plc-1 prepare begin -\n')
    t.equal(call('prepare begin', xmlOf(EMULATOR, UUID.replace('6', '7'))).called, null)
  },
)

t.test('prepare: a look at the emulator alone decides only where it says all', async (t) => {
  const { directory, call } = script(t)
  symlinkSync(join(directory, 'qemu-rt'), join(directory, 'a&b'))
  t.ok(call('prepare begin', xmlOf(join(directory, 'a&amp;b'))).called, 'a path that XML escapes')
  t.ok(call('prepare begin', xmlOf(EMULATOR).replaceAll('\n', '')).called, 'not on a line of its own')
})

t.test('prepare: a domain of which a part is not read is not started', async (t) => {
  const { directory, call } = script(t)
  const filled = (bytes: number) =>
    xmlOf(EMULATOR, UUID, '').replace('</uuid>\n', `$&<a>${'é'.repeat(bytes / 2)}</a>`)
  const { status, stderr, called } = call('prepare begin', filled(33_554_432))
  t.equal(status, 65)
  t.match(stderr, /^qemu-rt: the domain's XML is too long: 33554432 bytes and more; take .*\n$/)
  t.equal(called, null)
  const newlines = `${xmlOf(EMULATOR)}${'\n'.repeat(33_554_432)}`
  t.equal(call('prepare begin', newlines).status, 65, 'newlines count')
  t.equal(call('prepare begin', filled(3_000_000)).status, 0)
  writeFileSync(join(directory, 'head'), '#!/bin/sh\nexit 137\n', { mode: 0o755 })
  const { PATH } = process.env
  process.env.PATH = `${directory}:${PATH}`
  t.teardown(() => {
    process.env.PATH = PATH
  })
  t.equal(
    call('prepare begin', xmlOf('/usr/bin/qemu-rt-system-x86_64')).status,
    1,
    'killed for want of memory',
  )
})

for (const operation of ['started begin', 'reconnect begin', 'release end']) {
  t.test(`${operation}: a domain is ours by root's record, whatever its XML says`, async (t) => {
    const { call, record } = script(t)
    t.equal(call(operation, xmlOf('/usr/bin/qemu-rt-system-x86_64')).called, null)
    record()
    const { status, called, given } = call(operation, xmlOf(EMULATOR))
    t.equal(status, 0)
    t.equal(called, `hook plc-1 ${operation} -\n`)
    t.match(given, `<uuid>${UUID}</uuid>`)
    t.equal(call(operation, xmlOf(EMULATOR, UUID.replace('6', '7'))).called, null, 'of another domain')
    t.ok(call(operation, xmlOf(EMULATOR).replaceAll('\n', '')).called, 'in one line')
  })

  t.test(`${operation}: without a UUID the wrapper looks for the name`, async (t) => {
    const { call } = script(t)
    for (const uuid of ['', '../../etc/passwd', `${UUID}\n`]) {
      t.ok(call(operation, xmlOf(EMULATOR, uuid)).called, JSON.stringify(uuid))
    }
    t.ok(call(operation, '').called, 'with no XML')
    t.equal(call(operation, `<domain>${' '.repeat(64 << 20)}`).given?.length, 4096, 'of 64 MiB in one line')
  })
}

t.test("started: how the wrapper ends is libvirt's to know; reconnect and release end no VM", async (t) => {
  const { call, record } = script(t, 'exit 69')
  record()
  t.equal(call('started begin', xmlOf(EMULATOR)).status, 69)
  t.equal(call('release end', xmlOf(EMULATOR)).status, 0)
})

t.test('operations that nothing is done about', async (t) => {
  const { call, record } = script(t)
  record()
  for (const operation of ['prepare end', 'start begin', 'stopped end', 'migrate begin', 'restore begin']) {
    const { status, called } = call(operation, xmlOf('/usr/bin/qemu-rt-system-x86_64'))
    t.equal(status, 0, operation)
    t.equal(called, null, operation)
  }
})
