import { writeFileSync } from 'node:fs'
import t from 'tap'
import { planDomain } from '../../src/libvirt/plan-domain.js'
import { writeFiles } from '../host/made-host.js'
import { hookHost, type Wanted } from './hook-host.js'

/*
 * `domain plan` shows the CPUs that libvirt's hook then gives: both look at guest RAM and huge pages as the wrapper will.
 */

/** The hook writes its records as root. */
const AS_ROOT = { skip: process.getuid?.() !== 0 && 'not root' }

const CONFIG = `
[host]
housekeeping = "0-1"
realtime = "2-15"
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo" }
[profile.later]
vcpus = { cpus = "auto", policy = "fifo", hotplug = "later" }
[profile.hp]
hugepages = "1G"
vcpus = { cpus = "auto", policy = "fifo" }
[profile.ruled]
vcpus = { cpus = "auto", policy = "fifo" }
[[rule]]
option = "smp"
set = { cpus = 2 }
profile = "ruled"
`

const POOL = 'hugepages/hugepages-1048576kB'
const GIB = 1 << 20

/** Sixteen CPUs on two nodes; huge pages are free on the second. */
const HOST = {
  '/sys/devices/system/cpu/present': '0-15\n',
  '/sys/devices/system/cpu/online': '0-15\n',
  '/sys/devices/system/cpu/isolated': '2-15\n',
  '/sys/devices/system/node/online': '0-1\n',
  '/sys/devices/system/node/node0/cpulist': '0-7\n',
  '/sys/devices/system/node/node1/cpulist': '8-15\n',
  '/sys/bus/pci/devices/0000:03:00.1/numa_node': '1\n',
  [`/sys/kernel/mm/${POOL}/free_hugepages`]: '8\n',
  [`/sys/kernel/mm/${POOL}/resv_hugepages`]: '0\n',
  [`/sys/devices/system/node/node0/${POOL}/free_hugepages`]: '0\n',
  [`/sys/devices/system/node/node1/${POOL}/free_hugepages`]: '8\n',
}

const FOUR = `<memory>${4 * GIB}</memory><vcpu>4</vcpu>`
const CELLS = `${FOUR}<cpu><numa>
  <cell id='0' cpus='0-1' memory='${2 * GIB}'/><cell id='1' cpus='2-3' memory='${2 * GIB}'/>
</numa></cpu>`
const tuned = (text: string) => `<numatune>${text}</numatune>`
const SWAPPED = `<memnode cellid='0' mode='strict' nodeset='1'/><memnode cellid='1' mode='strict' nodeset='0'/>`

const HOSTDEV = `<hostdev mode='subsystem' type='pci' managed='yes'>
  <source><address domain='0x0000' bus='0x03' slot='0x00' function='0x1'/></source>
</hostdev>`

interface Case {
  readonly profile: string
  readonly settings: string
  readonly devices?: string
  /** Of each vCPU. */
  readonly cpus: readonly number[]
  /** Which they are; the first ones when it is absent. */
  readonly vcpus?: readonly number[]
}

const CASES: Readonly<Record<string, Case>> = {
  'huge pages of the profile': { profile: 'hp', settings: FOUR, cpus: [8, 9, 10, 11] },
  'nothing said of memory': { profile: 'rt', settings: FOUR, cpus: [2, 3, 4, 5] },
  'memory by a cpuset alone': {
    profile: 'rt',
    settings: FOUR + tuned("<memory mode='restrictive' nodeset='1'/>"),
    cpus: [8, 9, 10, 11],
  },
  'vCPUs with holes': {
    profile: 'later',
    settings: `<memory>${GIB}</memory><vcpu current='3'>6</vcpu><vcpus>
      <vcpu id='0' enabled='yes' hotpluggable='no' order='1'/><vcpu id='1' enabled='no' hotpluggable='yes'/>
      <vcpu id='2' enabled='yes' hotpluggable='yes' order='2'/><vcpu id='3' enabled='no' hotpluggable='yes'/>
      <vcpu id='4' enabled='yes' hotpluggable='yes' order='3'/><vcpu id='5' enabled='no' hotpluggable='yes'/>
    </vcpus>`,
    cpus: [2, 3, 4],
    vcpus: [0, 2, 4],
  },
  'memory bound': {
    profile: 'rt',
    settings: FOUR + tuned("<memory mode='strict' nodeset='1'/>"),
    cpus: [8, 9, 10, 11],
  },
  'memory bound, by the mode that libvirt takes without one': {
    profile: 'rt',
    settings: FOUR + tuned("<memory nodeset='1'/>"),
    cpus: [8, 9, 10, 11],
  },
  'memory preferred': {
    profile: 'rt',
    settings: FOUR + tuned("<memory mode='preferred' nodeset='1'/>"),
    cpus: [8, 9, 10, 11],
  },
  'memory of each guest node bound': {
    profile: 'rt',
    settings: CELLS + tuned(SWAPPED),
    cpus: [8, 9, 2, 3],
  },
  'memory of one guest node bound, of the other with all': {
    profile: 'rt',
    settings: CELLS + tuned("<memory nodeset='0'/><memnode cellid='0' nodeset='1'/>"),
    cpus: [8, 9, 2, 3],
  },
  'where numad chooses': {
    profile: 'rt',
    settings: FOUR + tuned("<memory mode='strict' placement='auto'/>"),
    cpus: [2, 3, 4, 5],
  },
  'a device by its address': { profile: 'rt', settings: FOUR, devices: HOSTDEV, cpus: [8, 9, 10, 11] },
  'a rule that changes the vCPUs': { profile: 'ruled', settings: FOUR, cpus: [2, 3] },
}

for (const [title, { profile, settings, devices = '', cpus, vcpus = [...cpus.keys()] }] of Object.entries(
  CASES,
)) {
  t.test(title, AS_ROOT, async (t) => {
    const { root, config, hook, request, xmlOf } = hookHost(t)
    writeFileSync(config, CONFIG)
    writeFiles(root, HOST)
    const wanted: Wanted = { settings, devices, args: ['--rt-profile', profile] }
    const { plan } = await planDomain(xmlOf(wanted), 'stdin', { sysroot: root }, `${root}/config`)
    await hook('prepare begin', wanted)
    const ofPlan = plan.threads?.vcpus.map((vcpu) => vcpu.cpus?.join())
    t.strictSame(ofPlan, cpus.map(String), 'domain plan')
    const ofHook = request().threads.vcpus.map((vcpu: { readonly cpus: string }) => vcpu.cpus)
    t.strictSame(ofHook, cpus.map(String), 'the hook')
    const numbers = (threads: { readonly vcpus: readonly { readonly vcpu: number }[] } | null) =>
      threads?.vcpus.map(({ vcpu }) => vcpu)
    t.strictSame([numbers(plan.threads), numbers(request().threads)], [vcpus, vcpus])
    t.equal(request().vcpusAtStart, cpus.length)
  })
}
