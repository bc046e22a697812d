import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { Test } from 'tap'
import { refused } from '../../src/errors/record.js'
import { preparePlan } from '../../src/launch/prepare.js'
import { runHook } from '../../src/libvirt/hook/hook.js'
import { readRequest } from '../../src/plan/request.js'
import { parseVm } from '../../src/record/vm.js'
import { driversOf, FOUR, hostWithKernel } from '../change/stand-in-kernel.js'
import { uevent, writeFiles } from '../host/made-host.js'

export const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
export const OTHER_UUID = 'd1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const USER = 64055
const CONFIG = `
[nic.fieldbus0]
mac = "a0:36:9f:00:00:02"
[nic.line]
id = "8086:1521"
pool = true
[nic.theirs]
mac = "a0:36:9f:00:00:03"
domains = ["press-*"]
[profile.rt]
[profile.theirs]
domains = ["press-*"]
[[domain]]
name = "by-name"
nics = ["fieldbus0"]
[[domain]]
flavor = "rt.*"
nics = { hostdev0 = "fieldbus0" }
`

export interface Wanted {
  readonly name?: string
  readonly uuid?: string
  readonly emulator?: string
  readonly request?: string
  readonly nova?: string
  readonly devices?: string
  /** Further elements of `<domain>`. */
  readonly settings?: string
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Instead of all that. */
  readonly xml?: string
}

function domainXml({
  name = 'plc-1',
  uuid = UUID,
  emulator = '/opt/rt/bin/qemu-rt-system-x86_64',
  ...more
}: Wanted) {
  const args = (more.args ?? []).map((value) => `<qemu:arg value='${value}'/>`)
  const env = Object.entries(more.env ?? { QEMU_RT_CONFIG: '@CONFIG@' }).map(
    ([variable, value]) => `<qemu:env name='${variable}' value='${value}'/>`,
  )
  return `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${name}</name><uuid>${uuid}</uuid>
  <metadata>${more.nova ?? ''}
    ${more.request === undefined ? '' : `<rt:request xmlns:rt="urn:qemu-rt:request">${more.request}</rt:request>`}
  </metadata>
  ${more.settings ?? ''}
  <devices><emulator>${emulator}</emulator>${more.devices ?? ''}</devices>
  <qemu:commandline>${[...args, ...env].join('')}</qemu:commandline>
</domain>`
}

export const recordFile = (root: string) => `${root}/run/qemu-rt/vms/libvirt-${UUID}.json`

/** A host with four equal NICs and libvirt's files, and the hook on it. */
export function hookHost(t: Test, refuse?: Parameters<typeof hostWithKernel>[2]) {
  const root = t.testdir({ config: { 'rt.toml': CONFIG } })
  const { write } = hostWithKernel(root, FOUR, refuse)
  const acl = ['vfio', 10, 11, 12, 13].map((node) => `"/dev/vfio/${node}"`).join(',\n  ')
  writeFiles(root, {
    '/etc/libvirt/qemu.conf': `# user = "x"\nuser = "qemu-user"\ncgroup_device_acl = [\n  "/dev/null",\n  ${acl}\n]\n`,
    '/etc/passwd': `root:x:0:0::/root:/bin/sh\nqemu-user:x:${USER}:0::/:/bin/false\n`,
  })
  const config = `${root}/config/rt.toml`
  mkdirSync(`${root}/run/qemu-rt/leases`, { recursive: true })
  const xmlOf = (wanted: Wanted) => wanted.xml ?? domainXml(wanted).replaceAll('@CONFIG@', config)
  const hookAlone = (operation: string, wanted: Wanted = {}) => {
    const [first = '', second = ''] = operation.split(' ')
    const call = {
      domain: wanted.name ?? 'plc-1',
      operation: first,
      suboperation: second,
      xml: xmlOf(wanted),
    }
    return runHook(call, { sysroot: root, write, configDirectory: `${root}/config` })
  }
  /** The same, and what the wrapper refuses; libvirt calls the hook for the end of that start then. */
  const hook = async (operation: string, wanted: Wanted = {}) => {
    await hookAlone(operation, wanted)
    const refusal = existsSync(recordFile(root))
      ? parseVm(readFileSync(recordFile(root), 'utf8'))?.refusal
      : undefined
    if (refusal === undefined) return
    await hookAlone('release end', wanted)
    throw refused(refusal)
  }
  const requests = () =>
    existsSync(`${root}/run/qemu-rt/vms`)
      ? readdirSync(`${root}/run/qemu-rt/vms`).filter((name) => !name.endsWith('.lock'))
      : []
  const request = () => JSON.parse(readFileSync(recordFile(root), 'utf8'))
  const drivers = () => driversOf(root, FOUR)
  const plan = (args: readonly string[], uuid = UUID) =>
    preparePlan(
      readRequest({
        entry: 'qemu-rt-system-x86_64',
        args: ['-name', 'plc-1', '-uuid', uuid, ...args],
        env: { QEMU_RT_SYSROOT: root, QEMU_RT_CONFIG: config },
        hostArch: 'x64',
      }),
    )
  return { root, hook, hookAlone, request, requests, drivers, plan, config, xmlOf }
}

/** Has one of the four NICs bound to vfio-pci already, with its node. @param index its place among them */
export function bindBefore(root: string, index: number): void {
  const device = `/sys/bus/pci/devices/0000:03:00.${index}`
  rmSync(`${root}${device}/driver`)
  writeFiles(root, {
    [`${device}/driver`]: { to: '../../../../bus/pci/drivers/vfio-pci' },
    [`${device}/uevent`]: uevent('vfio-pci'),
    [`/dev/vfio/1${index}`]: '',
    '/dev/vfio/vfio': '',
  })
}
