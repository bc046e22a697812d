import t from 'tap'
import type { RealtimeLimits } from '../../../src/host/limits.js'
import { cpusOf, NAMED, planOf, warningsOf } from '../make.js'

const HOST = '[host]\nhousekeeping = "0-3"\nrealtime = "4-7"\n'

const warnings = (profile: string, limits: RealtimeLimits | null) =>
  warningsOf(
    planOf(NAMED, {
      cpus: cpusOf('0-7', { isolated: [4, 5, 6, 7] }),
      config: `${HOST}[profile.rt]\n${profile}`,
      options: ['--profile', 'rt'],
      realtimeLimits: limits,
    }),
  )

const FIFO = 'vcpus = { cpus = "4", policy = "fifo", priority = 3 }'
const FREE = { priority: 'unlimited', time: 'unlimited' } as const

t.test('a limit that keeps threads from being real-time is told of before the start', async (t) => {
  const WHY =
    'RLIMIT_RTPRIO is 2 and CAP_SYS_NICE is missing; set LimitRTPRIO=99 for libvirtd or virtqemud (by hand: ulimit -r 3), or run as root: qemu-rt tune'
  const what = 'this user may not give threads the real-time priority 3 of the profile'
  t.strictSame(warnings(FIFO, { ...FREE, priority: 2 }), [`${what}: ${WHY}`])
  t.strictSame(warnings(`${FIFO}\nstrict = true`, { ...FREE, priority: 2 }), [
    `${what}, and strict then stops the VM: ${WHY}`,
  ])
  t.strictSame(warnings('vhost = { cpus = "1", policy = "fifo", priority = 3 }', { ...FREE, priority: 2 }), [
    `${what}: ${WHY}`,
  ])
  t.strictSame(warnings(FIFO, { ...FREE, priority: 3 }), [])
  t.strictSame(warnings(FIFO, FREE), [])
  t.strictSame(warnings(FIFO, null), [], 'a captured host does not say')
  t.strictSame(warnings('vcpus = { cpus = "4" }', { priority: 0, time: 1000 }), [])
})

t.test('a limit by which the kernel ends a VM that polls is told of', async (t) => {
  t.strictSame(warnings(FIFO, { ...FREE, time: 200_000 }), [
    'the kernel ends QEMU when a real-time thread runs for 200000 microseconds without a pause: RLIMIT_RTTIME; set LimitRTTIME=infinity for the unit that starts QEMU (by hand: start it by prlimit --rttime=unlimited COMMAND)',
  ])
})
