import { closeSync, mkdirSync, openSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Test } from 'tap'

/** Where a symbolic link of a made host points. */
interface Link {
  readonly to: string
}

export type Files = Readonly<Record<string, string | Buffer | Link>>

/** Writes a host of a few files for one test. @returns its sysroot */
export function madeHost(t: Test, files: Files): string {
  const root = t.testdir({})
  writeFiles(root, files)
  return root
}

export function writeFiles(root: string, files: Files): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(root + path), { recursive: true })
    if (typeof content === 'object' && 'to' in content) symlinkSync(content.to, root + path)
    else writeFileSync(root + path, content)
  }
}

/**
 * A descriptor of a process that is open on a node of VFIO.
 * @param node below /dev/vfio: the name that the process sees
 * @param place where /sys/dev/char says that the number of the node is
 * @param flags as fdinfo has them
 */
export function openNode(root: string, { pid, fd, node, place, flags = '02000002' }: OpenNode): Files {
  return {
    [`/proc/${pid}/fd/${fd}`]: { to: `${root}/of-${pid}/dev/vfio/${node}` },
    [`/proc/${pid}/fdinfo/${fd}`]: fdinfo(flags),
    // No more than root can make a node: that of /dev/null stands for it.
    [`/of-${pid}/dev/vfio/${node}`]: { to: '/dev/null' },
    '/sys/dev/char/1:3': { to: place },
  }
}

/**
 * What fdinfo says of a descriptor on a file of /dev.
 * @param flags octal
 */
export function fdinfo(flags = '02000002'): string {
  const file = openSync('/dev/null', 'r')
  const mount = /^mnt_id:.*$/m.exec(readFileSync(`/proc/self/fdinfo/${file}`, 'utf8'))?.[0]
  closeSync(file)
  return `pos:\t0\nflags:\t${flags}\n${mount}\n`
}

interface OpenNode {
  readonly pid: number
  readonly fd: number
  readonly node: string
  readonly place: string
  readonly flags?: string
}

/** A NIC's uevent, as pci_uevent in the kernel writes it. */
export function uevent(driver: string | null, id = '8086:1521', classCode = '20000'): string {
  const lines = [`PCI_CLASS=${classCode}`, `PCI_ID=${id}`, 'PCI_SUBSYS_ID=8086:0001', 'PCI_SLOT_NAME=x']
  return `${[...(driver === null ? [] : [`DRIVER=${driver}`]), ...lines].join('\n')}\n`
}

/** The directory of a device on a host that has no bridges. */
export const device = (address: string) => `/sys/bus/pci/devices/${address}`
