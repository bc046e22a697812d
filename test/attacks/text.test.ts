import t from 'tap'
import { install, needsLibvirt } from '../e2e/libvirtd.js'
import { COMPILER } from './help/compile.js'
import { impostor } from './help/impostor.js'

// H7, and of L what a terminal obeys: names of others on screens, in errors and in text for sh.

const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "1" }
emulator = { cpus = "housekeeping" }
iothreads = { cpus = "housekeeping" }
`
/** ESC and OSC; C1's CSI; what turns the direction of writing; line separators. */
const NASTY = 'x\u001b[31m\u001b]0;t\u0007\r\u009b31m\u202e\u2066\u2028\n>/run/p\n'
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/
const COMMAND_LINE = /^>\/run\/p$/m
const AS_SH = /^(#.*|(taskset|chrt) [^\n`$;|&<>]*( {2}# .*)?|)$/

/** In a form that the test's own output can carry. */
function ascii(text: string): string {
  return text.replace(/[^ -~]/gu, (char) => `<${char.codePointAt(0)?.toString(16)}>`)
}

/** What of a text is not as it is to be. */
function obeyed(text: string): string[] {
  return [...text.matchAll(new RegExp(OBEYED, 'g')), ...text.matchAll(new RegExp(COMMAND_LINE, 'gm'))].map(
    ([found]) => ascii(found),
  )
}

t.test('a guest with a name that is a command, and threads of such names', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const installed = await install(t, { config: CONFIG })
  const { run } = installed
  const looks = await impostor(t, installed, {
    args: ['-name', `guest=${NASTY.replaceAll(',', ',,')}`],
    threads: ['CPU 0/KVM', 'IO \n>/run/p\n', 'IO \u001b[31m$(>p)'],
  })
  const commands = [
    ['--pid', looks.pid, '--profile', 'rt', '--dry-run'],
    ['--pid', looks.pid, '--set', 'emulator=0', '--set', 'iothread:*=0', '--dry-run'],
    ['--pid', looks.pid, '--set', 'iothread:*=1'],
    ['--pid', looks.pid, '--profile', 'rt'],
    // Threads that are not there: the error names those that are.
    ['--pid', looks.pid, '--set', 'vcpu:7=0'],
    ['--domain', `${NASTY}!`],
    ['--domain', NASTY],
    ['--all'],
  ]
  for (const command of commands) {
    const { stdout, stderr } = await run('qemu-rt', 'tune', ...command)
    const what = ascii(`tune ${command.slice(command[0] === '--pid' ? 2 : 0).join(' ')}`)
    t.strictSame(obeyed(stdout + stderr), [], `${what}: a terminal shows it and obeys nothing`)
    if (!command.includes('--dry-run')) continue
    const strange = stdout.split('\n').filter((line) => !AS_SH.test(line))
    t.strictSame(strange.map(ascii), [], `${what}: commands and comments`)
    await run('sh', '-c', 'printf "%s" "$1" | sh', 'sh', stdout)
    t.match(await run('test', '-e', '/run/p'), { status: 1 }, `${what}: piped to sh it does nothing else`)
  }
})

t.test('names in errors', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: CONFIG })
  const { run } = installed
  const commands = [
    ['run', '--profile', NASTY, '--', '-machine', 'pc'],
    ['run', '--nic', NASTY, '--', '-machine', 'pc'],
    ['run', `--${NASTY}`, '--', '-machine', 'pc'],
    ['run', '--config', NASTY, '--', '-machine', 'pc'],
    ['run', '--dry-run', '--', '-device', `vfio-pci,host=nic:${NASTY}`],
    ['run', '--dry-run', '--profile', 'rt', '--', '-name', `guest=${NASTY}`, '-machine', 'pc'],
    ['nics', 'show', NASTY],
    ['tune', '--set', NASTY, '--all'],
    ['domain', 'plan', NASTY],
    ['golden', 'verify', NASTY],
    [NASTY],
  ]
  for (const command of commands) {
    const { stderr } = await run('qemu-rt', ...command)
    t.strictSame(obeyed(stderr), [], ascii(command.join(' ')))
  }
})

/** Makes the directory its own, waits until something is written, and has what follows go where it wants. */
const PLANT = `
mkdir /var/tmp/victim/out
(until [ -e /var/tmp/victim/out/sys ]; do :; done; ln -s /run/aim /var/tmp/victim/out/proc) &
echo ready; wait`

t.test("root's capture into another user's directory follows no link of theirs", async (t) => {
  if (!needsLibvirt(t)) return
  const { run, spawn } = await install(t, { config: CONFIG })
  await run('sh', '-c', 'mkdir /run/aim; mkdir /var/tmp/victim; chown nobody /var/tmp/victim')
  const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const planter = spawn(...nobody, 'sh', '-c', PLANT)
  await new Promise((resolve) => planter.stdout.once('data', resolve))
  await run('timeout', '30', 'qemu-rt', 'capture', '/var/tmp/victim/out')
  t.equal((await run('find', '/run/aim', '-mindepth', '1')).stdout, '', 'not one planted meanwhile')

  await run('ln', '-s', '/run/aim', '/var/tmp/victim/link')
  await run('chown', '-h', 'nobody', '/var/tmp/victim/link')
  await run('timeout', '30', 'qemu-rt', 'capture', '/var/tmp/victim/link')
  t.equal((await run('find', '/run/aim', '-mindepth', '1')).stdout, '', 'nor as the directory itself')
})
