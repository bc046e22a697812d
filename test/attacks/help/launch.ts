import type { Installed } from '../../e2e/libvirtd.js'
import type { Ended } from '../../launcher/run.js'

/** libvirt's QEMU user of Debian, and the group of /dev/kvm, by which it shares leases with root. */
export const QEMU_USER = ['setpriv', '--reuid=libvirt-qemu', '--regid=kvm', '--clear-groups']

/** The least that a real QEMU starts with; it goes on in the background. */
export const QEMU_ARGS = [
  ...['-display', 'none', '-nodefaults', '-machine', 'pc', '-accel', 'tcg', '-m', '16', '-S', '-daemonize'],
]

/** Before a command that leaves something behind, which would keep a pipe of ours open. */
export const IN_A_FILE = [
  ...['sh', '-c'],
  'out=$(mktemp); "$@" >"$out" 2>&1 </dev/null; code=$?; cat "$out" >&2; rm "$out"; exit "$code"',
  'sh',
]

export interface Launched extends Ended {
  readonly seconds: number
}

let launched = 0

/** What a launch that goes well says: nothing, or that the host is not prepared for real time. */
export const GOES_WELL = /^(qemu-rt: warning: [^\n]*real-time vCPUs [^\n]*\n)?$/

/**
 * Launches a QEMU by hand, as root or behind `user`.
 * @param seconds when it is given up, with exit code 124
 */
export async function launch(
  { run }: Installed,
  seconds: number,
  user: readonly string[] = [],
  flags: readonly string[] = ['--profile', 'rt'],
): Promise<Launched> {
  const guest = ['-name', `by-hand-${launched++}`]
  const since = Date.now()
  const limit = ['timeout', '--kill-after=1', String(seconds)]
  const ended = await run(
    ...user,
    ...IN_A_FILE,
    ...limit,
    'qemu-rt',
    'run',
    ...flags,
    '--',
    ...guest,
    ...QEMU_ARGS,
  )
  return { ...ended, seconds: (Date.now() - since) / 1000 }
}
