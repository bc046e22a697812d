import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { launcher, PATH } from '../launcher/launcher.js'
import { QEMU, stopChild } from './launch.js'
import { needs } from './needs.js'
import { sharedMappings } from './shared-mappings.js'
import { waitFor } from './wait.js'

/*
 * A device that another process emulates, and that is not called vhost-user: QEMU's own multi-process device, whose back end
 * is a QEMU of machine type x-remote (QEMU docs/system/multi-process.rst). A server for vfio-user-pci is in no package of
 * Debian: its QEMU is built without x-vfio-user-server, and it has neither SPDK nor libvfio-user's samples.
 */

/** Node can make no pair of sockets that two children have. Prints their numbers, and ends both when its input ends. */
const PAIR = `
import json, socket, subprocess, sys
near, far = socket.socketpair()
def start(command, fd):
    command = [word.replace('SOCKET', str(fd.fileno())) for word in command]
    return subprocess.Popen(command, pass_fds=[fd.fileno()], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
children = [start(command, fd) for command, fd in zip(json.loads(sys.argv[1]), [far, near])]
near.close()
far.close()
print(*[child.pid for child in children], flush=True)
sys.stdin.read()
for child in reversed(children):
    child.terminate()
    child.wait()
`

const QUIET = ['-nodefaults', '-display', 'none', '-monitor', 'none']
const BACK_END = [
  ...[QEMU, '-machine', 'x-remote', ...QUIET, '-device', 'lsi53c895a,id=lsi0'],
  ...['-object', 'x-remote-object,id=r,devid=lsi0,fd=SOCKET'],
]
const GUEST = [
  ...['-m', '64M', '-accel', 'tcg', '-S', ...QUIET],
  ...['-device', 'x-pci-proxy-dev,id=p,fd=SOCKET'],
]
const PLAIN = ['-machine', 'q35', ...GUEST]
const SHARED = [
  ...['-machine', 'q35,memory-backend=m', '-object', 'memory-backend-memfd,id=m,size=64M,share=on'],
  ...GUEST,
]

/** Starts both. @returns their process numbers */
async function startPair(t: Test, program: string, args: readonly string[]) {
  const child = spawn('python3', ['-c', PAIR, JSON.stringify([BACK_END, [program, ...args]])], {
    env: { PATH, QEMU_RT_EMULATOR: QEMU },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  t.teardown(async () => {
    child.stdin.end()
    await new Promise((resolve) => setTimeout(resolve, 500))
    await stopChild(child)
  })
  for await (const line of createInterface({ input: child.stdout })) {
    const [backEnd = 0, vm = 0] = line.split(' ').map(Number)
    return { backEnd, vm }
  }
  throw new Error('python3 has printed nothing')
}

const filesOf = (pid: number) => sharedMappings(pid).map(({ file }) => file)

const isQemu = (pid: number) => readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('qemu-system')

/** Whether a guest that is written with shared RAM has its device: in Debian QEMU 10.0 and 11.1 end by a signal. */
async function hasWorkingProxy(t: Test): Promise<boolean> {
  const { backEnd, vm } = await startPair(t, QEMU, SHARED)
  const isMapped = () => isQemu(vm) && sharedMappings(backEnd).length > 0
  await waitFor('the device', 10, isMapped).catch(() => false)
  await new Promise((resolve) => setTimeout(resolve, 500))
  return isMapped() && sharedMappings(vm).length > 0
}

t.test('the back end of a multi-process device maps the RAM of the guest', async (t) => {
  if (!needs(t, ['qemu-system-x86_64', 'python3'])) return
  if (!(await hasWorkingProxy(t))) {
    t.pass('x-pci-proxy-dev', { skip: "this QEMU's x-pci-proxy-dev does not work" })
    return
  }
  const { backEnd, vm } = await startPair(t, launcher(), PLAIN)
  await waitFor('the guest', 30, () => isQemu(vm) && sharedMappings(vm).length > 0)
  t.match(sharedMappings(vm), [{ mebibytes: 64 }])
  await waitFor('the back end', 30, () => filesOf(backEnd).length > 0)
  t.strictSame(filesOf(backEnd), filesOf(vm), 'it is the same memory')
  const bare = await startPair(t, QEMU, PLAIN)
  await waitFor('the guest without the wrapper', 30, () => isQemu(bare.vm))
  await new Promise((resolve) => setTimeout(resolve, 1500))
  t.strictSame([filesOf(bare.backEnd), filesOf(bare.vm)], [[], []], 'without the wrapper it maps nothing')
})
