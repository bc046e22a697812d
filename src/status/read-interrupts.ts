import { countsOf, effectiveAffinityOf, interruptsOf } from '../host/interrupts.js'
import { readProc } from '../host/proc.js'
import { openSysroot } from '../host/sysroot.js'
import { devicesOpenedBy } from '../host/use/open-nodes.js'
import { isOnVfioNow } from '../host/vfio.js'
import type { VmRecord } from '../record/vm.js'
import type { DeviceInterrupts } from './snapshot.js'

const HOST = openSysroot('/')

/**
 * Makes a reader of the interrupts that a VM's devices have: the devices by its record, or by what its process has open.
 * How often each has come is read once for all VMs.
 */
export function makeInterruptReader(): (pid: number, record: VmRecord | null) => DeviceInterrupts[] {
  let counts: ReadonlyMap<number, number> | null = null
  return (pid, record) => {
    const devices = record === null ? devicesOpenedBy(HOST, pid) : (record.lease?.nics ?? [])
    return devices
      .filter((address) => isOnVfioNow(HOST, address))
      .map((address) => {
        counts ??= countsOf(readProc('/proc/interrupts') ?? '')
        const known = counts
        const all = interruptsOf(HOST, address).own.map(({ number }) => ({
          irq: number,
          cpus: effectiveAffinityOf(HOST, number) ?? [],
          count: known.get(number) ?? 0,
        }))
        return { address, all }
      })
  }
}
