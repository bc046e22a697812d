import type { Libvirt, LibvirtFiles } from './libvirt.js'

const WRAPPER = '/usr/local/bin/qemu-rt-system-x86_64'

/** Where install.sh puts the hook. */
const HOOK = '/etc/libvirt/hooks/qemu.d/qemu-rt'

const PROFILE = 'bench-profile'

/** What is started: a domain for each. */
export interface Form {
  readonly form: 'direct' | 'wrapper' | 'hook' | 'profile'
  readonly title: string
  readonly domain: string
  readonly emulator: string
  /** Whether libvirt finds the hook. */
  readonly hasHook: boolean
}

export const FORMS: readonly Form[] = [
  {
    form: 'direct',
    title: 'no wrapper',
    domain: 'bench-direct',
    emulator: '/usr/bin/qemu-system-x86_64',
    hasHook: false,
  },
  { form: 'wrapper', title: 'qemu-rt', domain: 'bench-wrapper', emulator: WRAPPER, hasHook: false },
  { form: 'hook', title: 'qemu-rt and its hook', domain: 'bench-hook', emulator: WRAPPER, hasHook: true },
  { form: 'profile', title: '… and a profile', domain: PROFILE, emulator: WRAPPER, hasHook: true },
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

/** libvirt runs what is executable in its directory of hooks at the time. */
export function showHook({ run }: Libvirt, { hasHook }: Form): Promise<void> {
  return run('chmod', hasHook ? '755' : '644', HOOK)
}

function domainXml(name: string, emulator: string): string {
  return `<domain type='qemu'><name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
    <os><type arch='x86_64' machine='pc'>hvm</type></os>
    <devices>
      <emulator>${emulator}</emulator><controller type='usb' model='none'/><memballoon model='none'/>
    </devices>
  </domain>`
}
