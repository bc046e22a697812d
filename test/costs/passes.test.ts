import t from 'tap'
import { parsePolicy } from '../../src/config/parse.js'
import { EMPTY_HOST } from '../../src/host/facts.js'
import { askOf } from '../../src/plan/ask.js'
import { makePlan } from '../../src/plan/plan.js'
import { type Request, readRequest } from '../../src/plan/request.js'

/** A command line with as many memory backends, devices and chardevs as there are rounds, and a vhost-user device. */
function commandLine(rounds: number): string[] {
  const parts = Array.from({ length: rounds }, (_, n) => [
    ...['-object', `{"qom-type":"memory-backend-ram","id":"ram${n}","size":1048576}`],
    ...['-device', `{"driver":"pc-dimm","id":"dimm${n}","memdev":"ram${n}"}`],
    ...['-chardev', `socket,id=char${n},path=/run/${n}`],
    ...['-device', `virtio-serial-pci,id=serial${n}`],
  ])
  const vhost = ['-chardev', 'socket,id=net,path=/run/net', '-netdev', 'vhost-user,id=net0,chardev=net']
  return ['-name', 'many', '-machine', 'q35', '-m', '1G,slots=8,maxmem=8G', ...vhost, ...parts.flat()]
}

interface Counted {
  /** How often an option of the command line was looked at. */
  readonly looks: number
  /** How often the first option was: passes over the whole. */
  readonly passes: number
  readonly parsed: ReadonlyMap<string, number>
}

/** Plans a command line, and counts how often the plan looks at it and how often it reads a JSON argument. */
function count(args: readonly string[], share: 'auto' | 'never'): Counted {
  const request = readRequest({ entry: 'qemu-rt', args: ['run', '--', ...args], env: {}, hostArch: 'x64' })
  let looks = 0
  let passes = 0
  const line: Request['line'] = new Proxy(request.line, {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) {
        looks++
        if (key === '0') passes++
      }
      return Reflect.get(target, key, receiver)
    },
  })
  const parsed = new Map<string, number>()
  const parse = JSON.parse
  JSON.parse = (text: string, ...rest) => {
    parsed.set(text, (parsed.get(text) ?? 0) + 1)
    return parse(text, ...rest)
  }
  try {
    const policy = parsePolicy(`[profile.p]\nshare = "${share}"\n`, 'qemu-rt.toml')
    const counted = { ...request, line, profile: 'p' }
    const ask = askOf(counted, policy, { asked: null, record: null })
    makePlan(counted, { policy, host: EMPTY_HOST, held: [], ask, record: null })
  } finally {
    JSON.parse = parse
  }
  return { looks, passes, parsed }
}

t.test('a plan that changes nothing passes over the command line five times at most', async (t) => {
  const { passes, parsed } = count(commandLine(10), 'never')
  t.ok(passes <= 5, `${passes} passes`)
  t.strictSame(
    [...parsed].filter(([, times]) => times > 1),
    [],
    'no argument is read twice',
  )
})

t.test('ten times the options are looked at ten times as often', async (t) => {
  for (const share of ['never', 'auto'] as const) {
    const few = count(commandLine(50), share).looks
    const many = count(commandLine(500), share).looks
    t.ok(few > 0)
    t.ok(many <= few * 10.5, `${few} looks for 207 options, ${many} for 2,007`)
  }
})
