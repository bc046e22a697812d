import { hostNotChanged } from '../../errors/host-apply.js'
import { errorCode, readAttribute } from '../../host/sysfs.js'
import type { Root } from '../../host/sysroot.js'
import { type WriteSysfs, writeSysfs } from '../driver.js'
import type { Change, ControllerOn } from '../host/record.js'
import type { Outcome } from '../host/steps.js'
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
    undo() {
      undoController(root, change, write)
    },
  }
}

function isOn(root: Root): boolean {
  return (
    readAttribute(root + BELOW)
      ?.split(/\s+/)
      .includes('cpuset') === true
  )
}

/** Turns it off again. @returns `gone` where groups below use it meanwhile: the kernel says EBUSY, and it is theirs now */
export function undoController(root: Root, { path }: ControllerOn, write: WriteSysfs = writeSysfs): Outcome {
  if (!isOn(root)) return 'was so already'
  try {
    write(root + path, '-cpuset\n')
    return 'undone'
  } catch (error) {
    const reason = errorCode(error) ?? String(error)
    if (reason === 'EBUSY') return 'gone'
    throw hostNotChanged({ path, reason })
  }
}
