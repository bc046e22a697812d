import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TimedCommand } from '../common/process-timer.js'
import { LAUNCHER, PATH, ROOT } from '../common/project.js'

export const EMULATOR = '/usr/bin/qemu-system-x86_64'

/** What the vCPU's thread is given, which shows that the profile was applied. */
export const VCPU_CPU = '1'

/** One CPU for vCPUs: the VMs have to run one after another. */
const CONFIG = `
[host]
housekeeping = "0"
realtime = "${VCPU_CPU}"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1 }
`

/** A guest that is named differently each time, and emulated: what is left does not depend on the accelerator. */
const guest = (name: string) => [
  ...['-name', `${name},debug-threads=on`, '-machine', 'q35', '-m', '64'],
  ...['-accel', 'tcg', '-nodefaults', '-display', 'none'],
]

export interface Form {
  readonly wrapper: 'direct' | 'qemu-rt' | 'stay'
  readonly launch: (name: string) => TimedCommand
}

/**
 * How a VM is started.
 * @param scratch a directory, which gets a made host and a configuration
 */
export function afterLaunchForms(scratch: string): readonly Form[] {
  const config = join(scratch, 'qemu-rt.toml')
  const cpus = join(scratch, 'sys/devices/system/cpu')
  writeFileSync(config, CONFIG)
  mkdirSync(cpus, { recursive: true })
  writeFileSync(join(cpus, 'present'), '0-1\n')
  const env = { PATH, LC_ALL: 'C', HOME: '/' }
  const run = [LAUNCHER, 'run', '--config', config, '--sysroot', scratch, '--profile', 'rt', '--']
  const stay = join(ROOT, 'bench/baselines/stay.py')
  return [
    { wrapper: 'direct', launch: (name) => ({ command: [EMULATOR, ...guest(name)], env }) },
    {
      wrapper: 'qemu-rt',
      launch: (name) => ({
        command: [...run, ...guest(name)],
        env: { ...env, QEMU_RT_EMULATOR: EMULATOR },
      }),
    },
    { wrapper: 'stay', launch: (name) => ({ command: [stay, ...guest(name)], env: { ...env, EMULATOR } }) },
  ]
}
