import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { hostOfPlenty, vfAddress } from '../../test/launcher/many-hosts.js'
import type { TimedCommand } from '../common/process-timer.js'
import { LAUNCHER, PATH } from '../common/project.js'

/** In QEMU's place: it ends at once, so that the time is the wrapper's. */
export const EMULATOR = '/bin/true'

/** Says what it was started with, and runs until nobody holds the other end of its stdin. */
const STAND_IN = `#!/bin/sh
echo "$*"
exec cat >/dev/null
`

const CPUS = 2

/** A made host with NICs, and launches that take one of them. */
export interface NicHost {
  readonly sysroot: string
  /** A launch that is over when QEMU would run. */
  readonly ending: TimedCommand
  /** A launch that holds its NIC until its stdin ends. */
  readonly staying: TimedCommand
  /** Takes away what launches have left that ended. */
  readonly clearLeases: () => void
}

/** A host whose NIC is the last of many devices. */
export function hostWithNamedNic(sysroot: string, devices: number): NicHost {
  return nicHost(sysroot, devices, `[nic.bench]\naddress = "${vfAddress(devices - 1)}"\n`)
}

/** A host whose NICs are all of one pool. */
export function hostWithPool(sysroot: string, nics: number): NicHost {
  return nicHost(sysroot, nics, '[nic.bench]\nid = "8086:154c"\npool = true\n')
}

/** `qemu-rt run` takes a configuration that is not root's, too. NICs alone: threads would bring a tuner for each VM. */
function nicHost(sysroot: string, devices: number, configuration: string): NicHost {
  hostOfPlenty(sysroot, devices, CPUS)
  const config = join(sysroot, 'qemu-rt.toml')
  writeFileSync(config, configuration)
  const standIn = join(sysroot, 'qemu-system-x86_64')
  writeFileSync(standIn, STAND_IN)
  chmodSync(standIn, 0o755)
  const guest = ['-name', 'guest=bench', '-machine', 'q35', '-m', '1G']
  const launchOf = (emulator: string): TimedCommand => ({
    command: [LAUNCHER, 'run', '--nic', 'bench', '--', ...guest],
    env: { PATH, QEMU_RT_CONFIG: config, QEMU_RT_SYSROOT: sysroot, QEMU_RT_EMULATOR: emulator },
  })
  return {
    sysroot,
    ending: launchOf(EMULATOR),
    staying: launchOf(standIn),
    clearLeases: () => rmSync(join(sysroot, 'run'), { recursive: true, force: true }),
  }
}
