import { hostNotChanged } from '../../errors/host-apply.js'
import { errorCode, readAttribute } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { type WriteSysfs, writeSysfs } from '../driver.js'
import type { Change, ControllerOn } from '../host/record.js'
import type { Undoing } from '../host/steps.js'
import type { Step } from '../step.js'

/** Where cgroup v2 is mounted when it has the cpuset controller (https://systemd.io/CGROUP_DELEGATION). */
export const CGROUPS = '/sys/fs/cgroup'
const BELOW = `${CGROUPS}/cgroup.subtree_control`

/** Turns the cpuset controller on for the groups right below the root group, where nobody has done that yet. */
export function controllerStep(root: Root, write: WriteSysfs): Step<Change> {
  const change: ControllerOn = { kind: 'controller', path: BELOW }
  return {
    look: () => (isOn(root) ? null : change),
    make() {
      try {
        write(root + BELOW, '+cpuset\n')
      } catch (error) {
        throw hostNotChanged({ path: BELOW, reason: errorCode(error) ?? String(error) })
      }
    },
    undo: () => undoController(root, change, write).make?.(),
  }
}

function isOn(root: Root): boolean {
  return (
    readAttribute(root + BELOW)
      ?.split(/\s+/)
      .includes('cpuset') === true
  )
}

/** Looks how it is turned off again. Where groups below use it meanwhile, the kernel says EBUSY: then it is theirs. */
export function undoController(root: Root, { path }: ControllerOn, write: WriteSysfs = writeSysfs): Undoing {
  if (!isOn(root)) return { outcome: 'was so already' }
  const make = () => {
    try {
      write(root + path, '-cpuset\n')
    } catch (error) {
      const reason = errorCode(error) ?? String(error)
      if (reason !== 'EBUSY') throw hostNotChanged({ path, reason })
    }
  }
  return { outcome: 'undone', make }
}
