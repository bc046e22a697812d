import t from 'tap'
import { OPTIONS, type OptionSpec } from '../../src/argv/options.js'
import { run } from '../launcher/run.js'
import { needs } from './needs.js'

const QEMU = 'qemu-system-x86_64'

/** Runs QEMU until it ends, 20 s at most. */
const qemu = (args: readonly string[], input = '') => run([QEMU, ...args], { input, timeout: 20_000 })

/** `7.2` as 702, so that versions compare as numbers. */
function release(version: string): number {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major * 100 + minor
}

async function installedRelease(): Promise<number> {
  const { stdout } = await qemu(['-version'])
  return release(/version (\d+\.\d+)/.exec(stdout)?.[1] ?? '')
}

function exists({ since, removed }: OptionSpec, version: number): boolean {
  const hasCome = since === undefined || release(since) <= version
  return hasCome && (removed === undefined || version < release(removed))
}

/** Options that a build may leave out (qemu-options.hx has them within #ifdef). */
const BY_BUILD = ['fsdev', 'iscsi', 'sandbox', 'spice', 'tpmdev', 'virtfs', 'vnc', 'jitdump', 'perfmap']

interface Listed {
  readonly name: string
  readonly takesArgument: boolean
}

/**
 * `-dtb    file    use 'file' as device tree image`, `-async-teardown enable asynchronous teardown`, and since 11.1
 * `-M              as -machine`.
 */
const ODDLY_LISTED: Readonly<Record<string, boolean>> = { '-dtb': true, '-async-teardown': false, '-M': true }

/**
 * Reads `-help`: an option stands at the beginning of a line, with one blank before its argument, or with more or
 * nothing when it has none. `-fda/-fdb file` and `-h or -help` are two options.
 */
function listed(help: string): Listed[] {
  return help.split('\n').flatMap((line) => {
    const [, spelled = '', rest = ''] = /^(--?[A-Za-z][\w-]*(?:\/-\w+)*)(.*)$/.exec(line) ?? []
    if (spelled === '') return []
    const alternative = /^ or -(\w+)/.exec(rest)?.[1]
    const all = [...spelled.split('/'), ...(alternative === undefined ? [] : [`-${alternative}`])]
    const takesArgument = ODDLY_LISTED[spelled] ?? (alternative === undefined && /^ \S/.test(rest))
    return all.map((one) => ({ name: one.replace(/^--?/, ''), takesArgument }))
  })
}

t.test('every option that QEMU lists is in the table, with an argument or without', async (t) => {
  if (!needs(t, [QEMU])) return
  const { stdout } = await qemu(['-help'])
  const options = listed(stdout)
  t.ok(options.length > 100, `${options.length} lines of -help are options`)
  for (const { name, takesArgument } of options) {
    const known = OPTIONS.find((option) => option.name === name)
    t.equal(known?.takesArgument, takesArgument, `-${name}`)
  }
})

t.test(
  'QEMU wants an argument where the table says so, and knows what the table says it knows',
  async (t) => {
    if (!needs(t, [QEMU])) return
    const version = await installedRelease()
    for (const option of OPTIONS) {
      const name = `-${option.name}`
      // A flag leaves -version alone; an option with an argument would take it.
      const { status, stdout, stderr } = await qemu(option.takesArgument ? [name] : [name, '-version'])
      const unknown = /: invalid option/.test(stderr)
      if (unknown && BY_BUILD.includes(option.name)) continue
      t.equal(unknown, !exists(option, version), `${name}: ${stderr || 'known'}`)
      if (unknown || /not supported for this target|is disabled in this binary/.test(stderr)) continue
      if (option.takesArgument) t.match(stderr, /: requires an argument/, name)
      else t.match({ status, stdout }, { status: 0, stdout: /version|usage|audiodev/ }, name)
    }
  },
)

t.test('QEMU prints and ends where the table says help', async (t) => {
  if (!needs(t, [QEMU])) return
  const version = await installedRelease()
  for (const option of OPTIONS.filter((option) => option.help === true && exists(option, version))) {
    if (option.name === 'nic' && version < release('8.0')) continue
    const { status, stdout, stderr } = await qemu([
      '-machine',
      'none',
      '-display',
      'none',
      `-${option.name}`,
      'help',
    ])
    if (/: invalid option/.test(stderr) && BY_BUILD.includes(option.name)) continue
    t.not(status, null, `-${option.name} help ends`)
    // -tpmdev prints its list as an error; -spice fails where its module is not installed, -plugin before 8.1 or so.
    const printed = stdout + stderr.replace(/^qemu.*$/gm, '')
    t.ok(/\S/.test(printed) || status !== 0, `-${option.name} help prints, or fails: ${stderr}`)
  }
})

t.test('QEMU runs, or complains, where the table does not say help', async (t) => {
  if (!needs(t, [QEMU])) return
  const version = await installedRelease()
  const others = OPTIONS.filter((option) => option.syntax === 'keyval' && option.help === undefined)
  for (const { name } of others.filter((option) => exists(option, version))) {
    const args = ['-machine', 'none', '-display', 'none', '-qmp', 'stdio', `-${name}`, 'help']
    const { stdout } = await qemu(args, '{"execute":"qmp_capabilities"}{"execute":"quit"}')
    const printed = stdout.split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('{'))
    t.strictSame(printed, [], `-${name} help`)
  }
})
