let made = 0

/** Parts of a domain that a test is about; the rest is the least that starts. */
export interface DomainParts {
  /** null leaves it to libvirt. */
  readonly emulator: string | null
  /** How many may be there, and how many are from the start. */
  readonly vcpus?: { readonly current: number; readonly most: number }
  readonly metadata?: string
  /** Further elements of `<domain>`. */
  readonly settings?: string
  readonly devices?: string
  /** `<qemu:arg>` values. */
  readonly args?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

/** A name that no other domain of this machine has: their cgroups are in one place. */
export function domainName(): string {
  return `rt-${process.pid}-${made++}`
}

/** XML of a domain without disks, emulated: what is in its BIOS runs, and then it idles. */
export function domainXml(name: string, parts: DomainParts): string {
  const quoted = (text: string) => text.replace(/[&<>'"]/g, (character) => `&#${character.charCodeAt(0)};`)
  const vcpus = parts.vcpus ?? { current: 1, most: 1 }
  const args = (parts.args ?? []).map((value) => `<qemu:arg value='${quoted(value)}'/>`)
  const env = Object.entries(parts.env ?? {}).map(
    ([key, value]) => `<qemu:env name='${key}' value='${quoted(value)}'/>`,
  )
  return `<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${name}</name>
  <metadata>${parts.metadata ?? ''}</metadata>
  <memory unit='MiB'>128</memory>
  <vcpu current='${vcpus.current}'>${vcpus.most}</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <features><acpi/></features>
  ${parts.settings ?? ''}
  <devices>
    ${parts.emulator === null ? '' : `<emulator>${parts.emulator}</emulator>`}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    ${parts.devices ?? ''}
  </devices>
  <qemu:commandline>${args.join('')}${env.join('')}</qemu:commandline>
</domain>`
}
