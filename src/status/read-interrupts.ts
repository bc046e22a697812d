import { countsOf, effectiveAffinityOf, interruptsOf } from '../host/interrupts.js'
import { readProc } from '../host/proc.js'
import { openSysroot, type Root } from '../host/sysroot.js'
import { devicesOpenedBy } from '../host/use/open-nodes.js'
import { isOnVfioNow } from '../host/vfio.js'
import type { RecordedVm } from '../tune/processes.js'
import type { PciAddress } from '../units/pci-address.js'
import type { DeviceInterrupts } from './snapshot.js'

const HOST = openSysroot('/')

/** As many devices of a VM are shown, and interrupts of a device: how many there are is a user's and a guest's to say. */
const MOST_DEVICES = 64
const MOST_INTERRUPTS = 512

/**
 * Makes a reader of the interrupts that a VM's devices have: the devices by root's record, or by what its process has open.
 * How often each has come is read once for all VMs.
 */
export function makeInterruptReader(
  root: Root = HOST,
): (pid: number, record: Pick<RecordedVm, 'word' | 'lease'> | null) => DeviceInterrupts[] {
  let counts: ReadonlyMap<number, number> | null = null
  const countOf = (irq: number) => {
    counts ??= countsOf(readProc(`${root}/proc/interrupts`) ?? '')
    return counts.get(irq) ?? 0
  }
  return (pid, record) =>
    devicesOf(root, pid, record)
      .slice(0, MOST_DEVICES)
      .filter((address) => isOnVfioNow(root, address))
      .map((address) => ({
        address,
        all: interruptsOf(root, address)
          .own.slice(0, MOST_INTERRUPTS)
          .map(({ number }) => ({
            irq: number,
            cpus: effectiveAffinityOf(root, number) ?? [],
            count: countOf(number),
          })),
      }))
}

/** A user's record says what that user likes. */
function devicesOf(
  root: Root,
  pid: number,
  record: Pick<RecordedVm, 'word' | 'lease'> | null,
): readonly PciAddress[] {
  if (record?.word === 0) return [...new Set(record.lease?.nics)]
  const { groups, own } = devicesOpenedBy(root, pid)
  return [...new Set([...groups, ...own])]
}
