import t from 'tap'
import { argv, NAMED, planOf } from './make.js'

const given = { config: '[profile.p]\nlock-memory = true\n', options: ['--profile', 'p'] }
const after = (...args: string[]) => argv(planOf([...NAMED, ...args], given)).slice(2)

t.test('QEMU locks its memory, once', async (t) => {
  t.strictSame(after(), ['-overcommit', 'mem-lock=on'])
  t.strictSame(after('-overcommit', 'mem-lock=off,cpu-pm=on'), ['-overcommit', 'mem-lock=on,cpu-pm=on'])
  t.strictSame(after('-overcommit', 'cpu-pm=on'), ['-overcommit', 'cpu-pm=on,mem-lock=on'])
  for (const same of [['-overcommit', 'mem-lock=on-fault'], ['-realtime', 'mlock=on'], after()]) {
    t.strictSame(after(...same), same)
  }
})

t.test('without lock-memory nothing is locked', async (t) => {
  t.strictSame(argv(planOf(NAMED, { ...given, config: '[profile.p]\n' })), NAMED)
})

t.test('a limit below the guest’s RAM is an error', async (t) => {
  const dimm = ['-m', '1G', '-object', 'memory-backend-ram,id=d,size=1G', '-device', 'pc-dimm,memdev=d']
  const plan = (memoryLockLimit: bigint | 'unlimited') => planOf(dimm, { ...given, memoryLockLimit })
  t.throws(() => plan(2n << 30n), {
    message:
      "this user may lock 2 GiB, which is not enough for the guest's RAM of 2 GiB: lock-memory of profile 'p'; set LimitMEMLOCK=infinity for libvirtd or virtqemud, <memoryBacking><locked/> in the domain, or 'ulimit -l unlimited'",
    exitCode: 77,
  })
  t.doesNotThrow(() => plan(3n << 30n))
  t.doesNotThrow(() => plan('unlimited'))
})

t.test('QEMU’s own memory is locked, too', async (t) => {
  const plan = (memoryLockLimit: bigint) =>
    planOf([...NAMED, '-m', '2G', '-smp', '4'], { ...given, memoryLockLimit })
  t.throws(() => plan((2n << 30n) + (100n << 20n)), {
    message:
      /^this user may lock 2148 MiB, which is not enough for the guest's RAM of 2 GiB, and about 384 MiB of QEMU's own: lock-memory of profile 'p'; /,
    exitCode: 77,
  })
  t.doesNotThrow(() => plan((2n << 30n) + (400n << 20n)))
})

const GIB = 1n << 30n
const vfio = (...more: string[]) => [...NAMED, '-m', '2G', ...more]
const host = 'vfio-pci,host=0000:03:00.0'

t.test('VFIO and vDPA pin all RAM, with lock-memory or without', async (t) => {
  const plan = (args: string[], memoryLockLimit: bigint, asked: typeof given | object = {}) =>
    planOf(vfio(...args), { ...asked, memoryLockLimit })
  for (const args of [
    ['-device', host],
    ['-device', `${host},iommufd=i`],
    ['-netdev', 'vhost-vdpa,id=n,vhostdev=/dev/vhost-vdpa-0'],
    ['-nic', 'vhost-vdpa,vhostdev=/dev/vhost-vdpa-0'],
    ['-device', 'vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0'],
    ['-blockdev', 'virtio-blk-vhost-vdpa,node-name=b,path=/dev/vhost-vdpa-0,cache.direct=on'],
    ['-blockdev', 'virtio-blk-vfio-pci,node-name=b,path=/sys/bus/pci/devices/0000:04:00.0,cache.direct=on'],
    ['-blockdev', 'driver=nvme,node-name=n,device=0000:04:00.0,namespace=1'],
    ['-blockdev', '{"driver":"nvme","node-name":"n","device":"0000:04:00.0","namespace":1}'],
    ['-blockdev', '{"driver":"raw","node-name":"n","file":{"driver":"nvme","device":"0000:04:00.0"}}'],
    ['-drive', 'file=nvme://0000:04:00.0/1,if=none,id=d'],
    ['-drive', 'file.driver=nvme,file.device=0000:04:00.0,file.namespace=1,if=none,id=d'],
    ['-drive', 'driver=raw,file.filename=nvme://0000:04:00.0/1,if=none,id=d'],
    ['-drive', 'file=json:{"driver":"nvme",,"device":"0000:04:00.0",,"namespace":1},if=none,id=d'],
  ]) {
    t.throws(
      () => plan(args, 8n << 20n),
      {
        message:
          /^this user may lock 8 MiB, which is not enough for the guest's RAM of 2 GiB: VFIO and vDPA map all of it for their devices; set LimitMEMLOCK=/,
        exitCode: 77,
      },
      args.join(' '),
    )
    t.doesNotThrow(() => plan(args, 3n * GIB), args.join(' '))
  }
  t.doesNotThrow(() => plan([], 8n << 20n), 'nothing pins it')
  for (const args of [
    ['-device', 'nvme,serial=x'],
    ['-nic', 'user,model=virtio'],
    ['-drive', 'file=/nvme.img,if=none,id=d'],
    ['-blockdev', 'nvme-io_uring,node-name=b,path=/dev/ng0n1,cache.direct=on'],
  ])
    t.doesNotThrow(() => plan(args, 8n << 20n), args.join(' '))
  t.doesNotThrow(() => plan(['-device', 'vfio-pci,sysfsdev=/sys/bus/mdev/devices/x'], 8n << 20n), 'mediated')
})

t.test('what is pinned more than once counts as often', async (t) => {
  const plan = (args: string[], memoryLockLimit: bigint, asked: typeof given | object = {}) =>
    planOf(vfio(...args), { ...asked, memoryLockLimit })
  const two = ['-device', host, '-device', 'vfio-pci,host=0000:03:00.1']
  t.doesNotThrow(() => plan(two, 3n * GIB), 'they share a container')
  t.throws(() => plan([...two, '-device', 'intel-iommu'], 3n * GIB), {
    message: /may lock 3 GiB/,
    exitCode: 77,
  })
  t.doesNotThrow(() => plan([...two, '-device', 'intel-iommu'], 5n * GIB))
  const disk = ['-blockdev', 'nvme,node-name=n,device=0000:04:00.0,namespace=1']
  t.throws(() => plan([...two, ...disk], 3n * GIB), { message: /may lock 3 GiB/ }, 'a container of its own')
  t.doesNotThrow(() => plan([...two, ...disk], 5n * GIB))
  t.throws(
    () => plan([...disk, '-drive', 'file=nvme://0000:05:00.0/1'], 3n * GIB),
    { message: /may lock 3 GiB/, exitCode: 77 },
    'each disk has its own',
  )
  t.doesNotThrow(() => plan(['-drive', 'driver=nvme,file=nvme://0000:05:00.0/1'], 3n * GIB), 'one disk')
  // The kernel counts what is locked and what is mapped in one account, page by page.
  t.throws(() => plan(['-device', host], 3n * GIB, given), {
    message: /QEMU's own, and the same/,
    exitCode: 77,
  })
  t.doesNotThrow(() => plan(['-device', host], 5n * GIB, given))
  t.doesNotThrow(
    () => plan(['-device', `${host},iommufd=i`], 3n * GIB, given),
    'iommufd’s is another account',
  )
})

t.test('SEV pins all RAM, in an account of its own', async (t) => {
  const sev = (type: string) => [
    ...['-machine', 'q35,confidential-guest-support=sev0'],
    ...['-object', `{"qom-type":"${type}","id":"sev0","cbitpos":51,"reduced-phys-bits":1}`],
  ]
  const plan = (args: string[], memoryLockLimit: bigint) => planOf(vfio(...args), { memoryLockLimit })
  t.throws(() => plan(sev('sev-guest'), GIB), {
    message:
      /^this user may lock 1 GiB, which is not enough for the guest's RAM of 2 GiB: SEV pins all of it \(-object sev-guest\); set LimitMEMLOCK=/,
    exitCode: 77,
  })
  t.doesNotThrow(() => plan([...sev('sev-guest'), '-device', host], 3n * GIB), 'beside VFIO')
  for (const type of ['sev-snp-guest', 'tdx-guest']) t.doesNotThrow(() => plan(sev(type), GIB), type)
})

t.test('riscv has guest IOMMUs, too', async (t) => {
  const two = ['-device', host, '-device', 'vfio-pci,host=0000:03:00.1']
  const plan = (...args: string[]) => planOf(vfio(...two, ...args), { memoryLockLimit: 3n * GIB })
  for (const args of [
    ['-device', 'riscv-iommu-pci'],
    ['-machine', 'virt,iommu-sys=on'],
  ])
    t.throws(() => plan(...args), { message: /may lock 3 GiB/ }, args.join(' '))
  t.doesNotThrow(() => plan('-machine', 'virt,iommu-sys=off'))
})

t.test('packets of af-xdp are in locked memory, for each queue, beside what iommufd maps', async (t) => {
  const xdp = (queues: string) => ['-netdev', `af-xdp,id=n,ifname=ens1f0${queues}`]
  const plan = (args: string[], memoryLockLimit: bigint) => planOf(vfio(...args), { memoryLockLimit })
  t.throws(() => plan(xdp(''), 8n << 20n), {
    message:
      /^this user may lock 8 MiB, which is not enough for 32 MiB of packets for af-xdp: the kernel keeps them in locked memory; set LimitMEMLOCK=/,
    exitCode: 77,
  })
  t.doesNotThrow(() => plan(xdp(''), 64n << 20n), 'guest RAM is not pinned')
  t.throws(() => plan(xdp(',queues=4'), 64n << 20n), { message: /for 128 MiB of packets/ })
  t.throws(() => plan(['-nic', 'af-xdp,ifname=ens1f0'], 8n << 20n), { message: /of packets for af-xdp/ })
  t.throws(() => plan([...xdp(''), '-device', `${host},iommufd=i`], 2n * GIB + 1n), {
    message: /the guest's RAM of 2 GiB, and 32 MiB of packets for af-xdp: VFIO and vDPA map/,
  })
  t.doesNotThrow(() => plan([...xdp(''), '-device', host], 2n * GIB + 1n), 'another account')
})

t.test('without -m the guest has as much RAM as the backend that its machine names', async (t) => {
  const plan = (memoryLockLimit: bigint, machine: string) =>
    planOf([...NAMED, '-object', 'memory-backend-memfd,id=m,size=8G', '-machine', machine, '-device', host], {
      memoryLockLimit,
    })
  t.throws(() => plan(GIB, 'q35,memory-backend=m'), { message: /not enough for the guest's RAM of 8 GiB/ })
  t.doesNotThrow(() => plan(9n * GIB, 'q35,memory-backend=m'))
  t.doesNotThrow(() => plan(GIB, 'q35'), 'the machine’s own 128 MiB')
})

t.test('VFIO maps NVDIMMs and memory of devices, too', async (t) => {
  const plan = (memoryLockLimit: bigint, ...args: string[]) =>
    planOf(vfio('-object', 'memory-backend-file,id=n,mem-path=/n,size=4G', ...args), { memoryLockLimit })
  for (const device of ['nvdimm', 'virtio-pmem-pci', 'ivshmem-plain']) {
    t.throws(
      () => plan(5n * GIB, '-device', host, '-device', `${device},memdev=n`),
      { message: /may lock 5 GiB, .* for the guest's RAM of 2 GiB, and 4 GiB of its other memory: VFIO/ },
      device,
    )
    t.doesNotThrow(() => plan(7n * GIB, '-device', host, '-device', `${device},memdev=n`), device)
    t.doesNotThrow(() => plan(5n * GIB, '-device', `${device},memdev=n`), 'nothing pins it')
  }
  t.doesNotThrow(() => plan(5n * GIB, '-device', host, '-device', 'acpi-erst,memdev=n'), 'not in its space')
})
