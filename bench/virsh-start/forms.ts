import type { Libvirt, LibvirtFiles } from './libvirt.js'

const WRAPPER = '/usr/local/bin/qemu-rt-system-x86_64'

/** libvirt runs what is executable in there: `qemu-rt`, which install.sh puts there, and one that does nothing. */
const HOOKS = '/etc/libvirt/hooks/qemu.d'

const PROFILE = 'bench-profile'

/** What is started: a domain for each. */
export interface Form {
  readonly form: 'direct' | 'idle-hook' | 'wrapper' | 'hook' | 'profile'
  readonly title: string
  readonly domain: string
  readonly emulator: string
  /** Of those in the directory of hooks, the one that libvirt finds. */
  readonly hook: 'qemu-rt' | 'idle' | null
}

const QEMU = '/usr/bin/qemu-system-x86_64'

export const FORMS: readonly Form[] = [
  { form: 'direct', title: 'no wrapper', domain: 'bench-direct', emulator: QEMU, hook: null },
  { form: 'idle-hook', title: 'and an idle hook', domain: 'bench-idle-hook', emulator: QEMU, hook: 'idle' },
  { form: 'wrapper', title: 'qemu-rt', domain: 'bench-wrapper', emulator: WRAPPER, hook: null },
  { form: 'hook', title: 'qemu-rt and its hook', domain: 'bench-hook', emulator: WRAPPER, hook: 'qemu-rt' },
  { form: 'profile', title: '… and a profile', domain: PROFILE, emulator: WRAPPER, hook: 'qemu-rt' },
]

export const FILES: LibvirtFiles = {
  // Without "cpu": where that is cgroup v1's, a real-time thread cannot be moved into the group that libvirt makes.
  qemuConf: 'cgroup_controllers = [ "devices", "memory", "blkio", "cpuset", "cpuacct" ]\n',
  config: `
[host]
housekeeping = "0"
realtime = "1"

[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1 }

[[domain]]
name = "${PROFILE}"
profile = "rt"
`,
}

/** Has libvirt know a form's domain. */
export async function define({ run, virsh }: Libvirt, { domain, emulator }: Form): Promise<void> {
  const file = `/var/tmp/${domain}.xml`
  await run('sh', '-c', 'printf "%s" "$1" >"$2"', 'sh', domainXml(domain, emulator), file)
  await virsh('define', file)
}

/** Has libvirt find a form's hook alone: it looks at each start. */
export async function showHook({ run }: Libvirt, { hook }: Form): Promise<void> {
  for (const each of ['qemu-rt', 'idle']) {
    await run('chmod', each === hook ? '755' : '644', `${HOOKS}/${each}`)
  }
}

/** Makes the hook that does nothing: what any hook costs. */
export function makeIdleHook({ run }: Libvirt): Promise<void> {
  return run('sh', '-c', `printf '#!/bin/sh\nexit 0\n' >${HOOKS}/idle`)
}

function domainXml(name: string, emulator: string): string {
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices>
      <emulator>${emulator}</emulator><controller type='usb' model='none'/><memballoon model='none'/>
    </devices>
  </domain>`
}
