import { readdirSync } from 'node:fs'
import t from 'tap'
import { defaultMachine, defaultRam, MACHINES } from '../../src/plan/memory/machines.js'
import { isVhostUserDriver, VHOST_USER } from '../../src/plan/memory/vhost-user.js'
import { run } from '../launcher/run.js'
import { machineTypes } from './machine-types.js'
import { needs } from './needs.js'

/** Runs QEMU until it ends, 30 s at most, and gives what it printed. */
async function qemu(arch: string, args: readonly string[], input = ''): Promise<string> {
  return (await run([`qemu-system-${arch}`, ...args], { input, timeout: 30_000 })).stdout
}

/** The second is for builds without TCG. */
const ACCEL = ['-accel', 'tcg', '-accel', 'kvm']

/** Asks QEMU's monitor, without running the guest. The answer is undefined when the machine did not start. */
async function query(arch: string, machine: string, command: string): Promise<unknown> {
  const args = ['-nodefaults', '-display', 'none', '-S', ...ACCEL, '-qmp', 'stdio', '-machine', machine]
  const commands = ['qmp_capabilities', command, 'quit'].map((execute) => JSON.stringify({ execute }))
  const lines = (await qemu(arch, args, commands.join('\n'))).split(/\r?\n/).filter((line) => line !== '')
  const answers = lines.map((line) => JSON.parse(line)).filter((reply) => 'return' in reply)
  return answers[1]?.return
}

interface Machine {
  readonly name: string
  readonly alias?: string
  readonly 'is-default'?: boolean
  readonly 'default-ram-id'?: string
}

const known = [...new Set(MACHINES.flatMap(({ archs }) => archs))]

/** The architectures of the table whose QEMU is installed. */
function installed(): string[] {
  const programs = readdirSync('/usr/bin')
  return known.filter((arch) => programs.includes(`qemu-system-${arch}`))
}

t.test('every device of QEMU that is named vhost-user is in the table', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  for (const arch of installed()) {
    // Without a machine some targets refuse to list.
    const help = await qemu(arch, ['-machine', 'none', '-device', 'help'])
    const names = [...help.matchAll(/^name "(vhost-user[^"]*)"/gm)].map(([, name = '']) => name)
    const missing = names.filter(
      (name) => !VHOST_USER.some(({ option, driver }) => option === 'device' && driver === name),
    )
    t.strictSame(missing, [], `${arch}: ${names.length} devices`)
    t.ok(names.every(isVhostUserDriver), `${arch}: and is recognised by its name`)
    if (arch === 'x86_64') t.ok(names.includes('vhost-user-blk-pci'), 'the list was read')
  }
})

t.test('what the table says QEMU has had for long is there', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  const help = await qemu('x86_64', ['-machine', 'none', '-device', 'help'])
  const old = VHOST_USER.filter(({ option, since }) => option === 'device' && since === undefined)
  for (const { driver } of old.filter(({ driver }) => !driver.endsWith('-ccw'))) {
    t.match(help, `name "${driver}"`, driver)
  }
  t.match(await qemu('x86_64', ['-object', 'help']), 'cryptodev-vhost-user')
  t.match(await qemu('x86_64', ['-netdev', 'help']), /^vhost-user\r?$/m)
})

t.test('the name of RAM is the one that each machine type has', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  for (const arch of installed()) {
    const machines = (await query(arch, 'none', 'query-machines')) as Machine[] | undefined
    if (machines === undefined) {
      t.pass(arch, { skip: 'does not start here' })
      continue
    }
    const types = machines.flatMap((machine) => [
      { ...machine, type: machine.name },
      ...(machine.alias === undefined ? [] : [{ ...machine, type: machine.alias }]),
    ])
    for (const { type, 'default-ram-id': id } of types) {
      const ram = defaultRam(arch, type)
      if (ram !== null) t.equal(ram.id, id, `${arch} ${type}`)
    }
    const covered = types.filter(({ type }) => defaultRam(arch, type) !== null)
    t.ok(covered.length > 0, `${arch}: ${covered.length} of ${types.length} names are in the table`)
    const byDefault = machines.find((machine) => machine['is-default'] === true)
    const chosen = defaultMachine(arch)
    t.ok(
      chosen === (byDefault?.name ?? null) || chosen === byDefault?.alias,
      `${arch} starts ${byDefault?.name ?? 'nothing'} by default`,
    )
  }
})

/** One of each kind; xenfv wants Xen, nitro-enclave a later QEMU, and loongarch64's virt has another size in each. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  x86_64: ['pc', 'q35', 'pc-i440fx-4.2', 'isapc', 'microvm'],
  'x86_64-microvm': ['microvm', 'q35'],
  i386: ['pc'],
  aarch64: ['virt', 'sbsa-ref'],
  arm: ['virt'],
  ppc64: ['pseries', 'powernv'],
  s390x: ['s390-ccw-virtio'],
  riscv64: ['virt', 'spike'],
  riscv32: ['virt', 'spike'],
}

t.test('without -m a machine has as much RAM as the table says', async (t) => {
  if (!needs(t, ['qemu-system-x86_64'])) return
  for (const arch of installed()) {
    const types = machineTypes(arch)
    for (const machine of (SAMPLES[arch] ?? []).filter((type) => types.has(type))) {
      const summary = await query(arch, machine, 'query-memory-size-summary')
      if (summary === undefined) {
        t.pass(`${arch} ${machine}`, { skip: 'does not start here' })
        continue
      }
      const { bytes } = defaultRam(arch, machine) ?? { bytes: 0n }
      t.equal((summary as Record<string, number>)['base-memory'], Number(bytes), `${arch} ${machine}`)
    }
  }
})

t.test('machine types without RAM of their own, and strangers, have none', async (t) => {
  t.equal(defaultRam('x86_64', 'none'), null)
  t.equal(defaultRam('x86_64', 'virt'), null)
  t.equal(defaultRam('aarch64', null), null, 'arm wants a machine type to be given')
  t.equal(defaultRam('constructor', null), null)
  t.strictSame(defaultRam('x86_64', null), { id: 'pc.ram', bytes: 128n << 20n })
})
