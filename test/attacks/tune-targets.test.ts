import t from 'tap'
import { formatVm, NEW_VM } from '../../src/record/vm.js'
import { type Installed, install, needsLibvirt } from '../e2e/libvirtd.js'
import { COMPILER } from './help/compile.js'
import { impostor } from './help/impostor.js'
import { QEMU_USER } from './help/launch.js'
import { ONE_CPU } from './help/one-cpu.js'

// What a QEMU says of itself, and what other users say, keeps root's `tune` from no VM.

/** Arguments that no QEMU starts with: a running one can write any over its own. */
const UNREADABLE = {
  'that QEMU refuses': ['-object', ',=x'],
  'of too many words': Array<string>(20_000).fill('-S'),
}

const START = 'sed "s/.*) //" "/proc/$1/stat" | cut -d " " -f 20; readlink /proc/self/ns/pid'

/** Root's record of a process, as the hook leaves it. */
async function putRecord({ run }: Installed, pid: string, guest: string): Promise<void> {
  const [startTicks, namespace = null] = (await run('sh', '-c', START, 'sh', pid)).stdout.trim().split('\n')
  const setting = { policy: null, priority: null }
  const record = {
    ...NEW_VM,
    id: `of-${guest}`,
    guest: { name: guest, uuid: null },
    profile: 'rt',
    threads: {
      vcpus: [{ vcpu: 0, cpus: [1], ...setting }],
      emulator: { cpus: [0], ...setting },
      ...{ iothreads: [], workers: null, vhost: null },
    },
    vcpusAtStart: 1,
    process: { pid: Number(pid), startTicks: Number(startTicks), namespace },
  }
  const put = `mkdir -p /run/qemu-rt/vms; printf '%s\\n' "$1" >"/run/qemu-rt/vms/of-${guest}.json"`
  await run('sh', '-c', put, 'sh', formatVm(record))
}

t.test('no arguments that a QEMU gives itself hide it from root', async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const installed = await install(t, { config: ONE_CPU })
  for (const [index, [what, args]] of Object.entries(UNREADABLE).entries()) {
    const guest = `plc-${index}`
    const { pid } = await impostor(t, installed, { args })
    await putRecord(installed, pid, guest)
    const dryRun = (...args: string[]) => installed.run('qemu-rt', 'tune', '--dry-run', ...args)
    for (const one of [['--all'], ['--domain', guest], ['--pid', pid]]) {
      const { status, stdout } = await dryRun(...one)
      t.match({ status, stdout }, { status: 0, stdout: `(PID ${pid})` }, `arguments ${what}: tune ${one[0]}`)
    }
    t.match(
      await dryRun('--domain', guest, '--profile', 'rt'),
      { status: 69, stderr: `the arguments of PID ${pid}, by which a profile is planned, cannot be read` },
      `arguments ${what}: nothing is planned by a part of them`,
    )
  }
})

/** A lease of CPU 1, kept locked by its user. */
const CLAIM = `
own=/run/qemu-rt/leases/$(id -u); mkdir -p "$own"
sleep 1000 </dev/null >/dev/null 2>&1 &
start=$(sed 's/.*) //' /proc/$!/stat | cut -d ' ' -f 20)
lease="$own/$!-$start-abcdefgh@1@.lease"
echo "{\\"version\\":1,\\"id\\":\\"$!-$start-abcdefgh\\",\\"lease\\":{\\"nics\\":[],\\"cpus\\":\\"1\\"},\\"process\\":{\\"pid\\":$!,\\"startTicks\\":$start}}" >"$lease"
flock "$lease" sleep 1000 </dev/null >/dev/null 2>&1 &
sleep 0.3`

t.test("another user's lease keeps root from no CPU", async (t) => {
  if (!needsLibvirt(t, COMPILER)) return
  const installed = await install(t, { config: ONE_CPU })
  const { pid } = await impostor(t, installed, { args: ['-name', 'guest=plc-1', '-smp', '1'] })
  await installed.run(...QEMU_USER, 'sh', '-c', CLAIM)
  t.match((await installed.run('qemu-rt', 'status')).stdout, /by user \d+/, 'the lease counts as one')
  for (const flags of [['--dry-run'], []]) {
    const { status, stderr } = await installed.run(
      'qemu-rt',
      'tune',
      '--pid',
      pid,
      '--profile',
      'rt',
      ...flags,
    )
    t.equal(status, 0, `tune --profile ${flags.join()}: ${stderr}`)
  }
})
