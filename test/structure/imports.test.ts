import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/*
 * What keeps root's half apart from the rest, as rules over imports and words of the sources. A rule names the files that
 * it holds for, and what must not be in them.
 */

const SRC = fileURLToPath(new URL('../../src/', import.meta.url))

interface Source {
  /** Below src/, without suffix: `record/root/file`. */
  readonly name: string
  readonly text: string
  /** Of modules that are loaded; types are not. */
  readonly imports: readonly string[]
}

const sources: readonly Source[] = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .map((file) => {
    const text = readFileSync(join(SRC, file), 'utf8')
    return { name: file.replace(/\.ts$/, ''), text, imports: importsOf(join(SRC, file), text) }
  })

function importsOf(path: string, text: string): string[] {
  const statements = [...text.matchAll(/^(?:import|export)\s(?!type\b)([^;]*?)from '([^']+)'/gms)]
  const loaded = statements.filter(([, what = '']) => {
    // `import { type A, type B }` loads nothing.
    const names = /\{([^}]*)\}/s
      .exec(what)?.[1]
      ?.split(',')
      .map((name) => name.trim())
    return names === undefined || names.some((name) => name !== '' && !name.startsWith('type '))
  })
  const dynamic = [...text.matchAll(/import\('([^']+)'\)/g)].map(([, path = '']) => path)
  return [...loaded.map(([, , path = '']) => path), ...dynamic].map((one) =>
    one.startsWith('.') ? relative(SRC, resolve(dirname(path), one)).replace(/\.js$/, '') : one,
  )
}

const inFolder = (folder: string) => (name: string) => name.startsWith(`${folder}/`)

/** Which files import what matches, as `from → what`. */
function offenders(from: (name: string) => boolean, what: (imported: string) => boolean): string[] {
  return sources
    .filter(({ name }) => from(name))
    .flatMap(({ name, imports }) => imports.filter(what).map((one) => `${name} → ${one}`))
}

/** Which files have a word in their code. Comments may speak of it. */
function speakers(word: RegExp, from: (name: string) => boolean = () => true): string[] {
  const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  return sources.filter(({ name, text }) => from(name) && word.test(code(text))).map(({ name }) => name)
}

const IO = /^(node:)?(fs|child_process|net|os)(\/|$)/

t.test('the rules see what is there', async (t) => {
  t.ok(sources.length > 200)
  t.ok(offenders(inFolder('launch'), inFolder('plan')).length > 0, 'imports are found')
  t.ok(speakers(/readFileSync/).length > 0, 'and words')
})

t.test('a plan is pure: it loads neither facts, records nor files', async (t) => {
  t.strictSame(
    offenders(inFolder('plan'), (one) => inFolder('record')(one) || inFolder('host')(one) || IO.test(one)),
    [],
  )
})

t.test('checks are pure: they judge what was read, and read nothing', async (t) => {
  t.strictSame(
    offenders(inFolder('checks'), (one) => inFolder('host')(one) || inFolder('plan')(one) || IO.test(one)),
    [],
  )
})

t.test('exports are pure: they say what was read in the words of another system', async (t) => {
  t.strictSame(
    offenders(inFolder('export'), (one) => inFolder('record')(one) || inFolder('host')(one) || IO.test(one)),
    [],
  )
})

t.test('judgements stand on their own: who imports one does not load the table of checks', async (t) => {
  const ground = (one: string) =>
    inFolder('checks/judge')(one) ||
    inFolder('units')(one) ||
    inFolder('errors')(one) ||
    one === 'checks/fixes'
  t.strictSame(
    offenders(inFolder('checks/judge'), (one) => !ground(one)),
    [],
  )
  t.strictSame(
    offenders(
      (name) => inFolder('plan')(name) || inFolder('tune')(name) || inFolder('jitter')(name),
      (one) => inFolder('checks')(one) && !inFolder('checks/judge')(one) && one !== 'checks/fixes',
    ),
    [],
  )
})

t.test('one fact is judged in one room', async (t) => {
  // Advice and limits that rooms had of their own, and drifted apart by.
  const facts: readonly (readonly [word: RegExp, rooms: readonly string[]])[] = [
    [/isolcpus=\$/, ['checks/boot', 'checks/judge/isolation']],
    [
      /sched_rt_runtime_us=|'kernel\.sched_rt_runtime_us'/,
      ['change/host/settings', 'checks/judge/throttling'],
    ],
    [/hugepagesz=/, ['checks/judge/huge-pages']],
    [/intel_iommu=on/, ['checks/judge/iommu']],
    [/LimitRTPRIO=\d|LimitMEMLOCK=[a-z]/, []],
    [/linux-image-rt/, ['checks/judge/preempt-rt']],
    [/PREEMPT\[_ \]RT/, ['checks/judge/preempt-rt']],
  ]
  for (const [word, rooms] of facts) t.strictSame(speakers(word).sort(), rooms, `${word}`)
})

t.test('who a VM is and which profile it has is answered in one place', async (t) => {
  t.strictSame(
    offenders(
      (name) => name !== 'plan/ask',
      (one) => one === 'plan/domain',
    ),
    [],
  )
  t.strictSame(speakers(/[.?]profiles\[/), ['plan/ask'])
})

t.test("QEMU's command line and the host do not know of each other", async (t) => {
  t.strictSame(offenders(inFolder('argv'), inFolder('host')), [])
  t.strictSame(offenders(inFolder('host'), inFolder('argv')), [])
})

t.test('nothing takes anything from commands', async (t) => {
  const entries = ['main', 'planner', 'planner-hook']
  t.strictSame(
    offenders((name) => !inFolder('commands')(name) && !entries.includes(name), inFolder('commands')),
    [],
  )
})

t.test('only record/ knows where records are', async (t) => {
  // For advice in a message.
  const told = (name: string) => inFolder('errors')(name)
  t.strictSame(
    speakers(/\/run\/qemu-rt/, (name) => !inFolder('record')(name) && !told(name)),
    [],
  )
})

t.test('only change/ writes to the host', async (t) => {
  const program = /\[\s*'(chrt|taskset|driverctl|modprobe|udevadm)'/
  t.strictSame(
    speakers(program, (name) => !inFolder('change')(name)).filter(
      // The launch chain, and where the tuner runs.
      (name) => !['launch/launch', 'launch/start-tuner'].includes(name),
    ),
    [],
  )
  t.strictSame(
    speakers(
      /\/driver_override|\/drivers_probe|\/driver\/unbind/,
      (name) => !inFolder('change')(name) && !inFolder('errors')(name),
    ),
    [],
  )
})

t.test(
  "root's half reads no environment of a process, none of its descriptors, and no user's record for true",
  async (t) => {
    const roots = (name: string) =>
      inFolder('libvirt/hook')(name) || inFolder('record')(name) || name === 'libvirt/domain-process'
    t.strictSame(speakers(/\/environ|PLAN_VARIABLE|readPlan|\/fd\//, roots), ['record/vm'], 'only its name')
    t.strictSame(
      offenders(
        inFolder('libvirt/hook'),
        (one) =>
          one === 'tune/log' || one === 'tune/stderr-of' || one === 'tune/targets' || one === 'tune/follow',
      ),
      [],
    )
  },
)

t.test('one file writes through a descriptor of another process, and it refuses to as root', async (t) => {
  // The first only lists them. That root's tuner has nothing written by the second test/attacks shows.
  t.strictSame(speakers(/\$\{[^`]*\/fd\b/).sort(), ['host/use/open-nodes', 'tune/stderr-of'])
  t.strictSame(
    offenders(
      () => true,
      (one) => one === 'tune/stderr-of',
    ),
    ['tune/log → tune/stderr-of'],
  )
})
