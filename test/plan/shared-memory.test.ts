import t from 'tap'
import { argv, NAMED, planOf, warningsOf } from './make.js'

const VHOST = ['-chardev', 'socket,id=c0,path=/tmp/s', '-netdev', 'vhost-user,id=n0,chardev=c0']
const start = [...NAMED, ...VHOST]
/** What follows the words that every case starts with. */
const shared = (args: readonly string[], config = '', arch = 'x86_64') =>
  argv(planOf([...start, ...args], { config, arch, options: config === '' ? [] : ['--profile', 'p'] })).slice(
    start.length,
  )

t.test('guest RAM of every form becomes shared and keeps its size and id', async (t) => {
  const memfd = (size: number, id = 'pc.ram') => [
    '-object',
    `memory-backend-memfd,id=${id},size=${size},share=on`,
  ]
  const machine = (id = 'pc.ram') => ['-machine', `memory-backend=${id}`]
  const cases: [string, string[], string[]][] = [
    ['plain -m', ['-m', '1G'], ['-m', '1G', ...memfd(1073741824), ...machine()]],
    ['-m in MiB', ['-m', '512'], ['-m', '512', ...memfd(536870912), ...machine()]],
    ['no -m', [], [...memfd(134217728), ...machine()]],
    [
      '-m without size',
      ['-m', 'slots=2,maxmem=4G'],
      ['-m', 'slots=2,maxmem=4G', ...memfd(134217728), ...machine()],
    ],
    ['-m rounded up as QEMU does', ['-m', '1.3G'], ['-m', '1.3G', ...memfd(1395867648), ...machine()]],
    [
      '-m twice',
      ['-m', '1G', '-m', '2G,slots=2'],
      ['-m', '1G', '-m', '2G,slots=2', ...memfd(2147483648), ...machine()],
    ],
    [
      'the machine is kept',
      ['-M', 'q35,accel=kvm', '-m', '1G'],
      ['-M', 'q35,accel=kvm,memory-backend=pc.ram', '-m', '1G', ...memfd(1073741824)],
    ],
    [
      'microvm',
      ['-machine', 'microvm'],
      ['-machine', 'microvm,memory-backend=microvm.ram', ...memfd(134217728, 'microvm.ram')],
    ],
    [
      '-mem-path with preallocation',
      ['-m', '1G', '-mem-path', '/dev/huge,pages', '-mem-prealloc'],
      [
        '-m',
        '1G',
        '-mem-prealloc',
        '-object',
        'memory-backend-file,id=pc.ram,size=1073741824,mem-path=/dev/huge,,pages,share=on',
        ...machine(),
      ],
    ],
    [
      'legacy -numa node,mem=',
      ['-m', '1G', '-numa', 'node,cpus=0,mem=512', '-numa', 'node,cpus=1,mem=512'],
      [
        '-m',
        '1G',
        '-numa',
        'node,cpus=0,mem=512',
        '-numa',
        'node,cpus=1,mem=512',
        ...memfd(1073741824),
        ...machine(),
      ],
    ],
    [
      'ram backend in JSON',
      [
        '-machine',
        'pc,memory-backend=pc.ram',
        '-object',
        '{"qom-type":"memory-backend-ram","id":"pc.ram","size":224395264}',
      ],
      [
        '-machine',
        'pc,memory-backend=pc.ram',
        '-object',
        '{"qom-type":"memory-backend-memfd","id":"pc.ram","size":224395264,"share":true}',
      ],
    ],
    [
      'a machine key that is spelled with _',
      ['-machine', 'pc,memory_backend=r', '-object', 'memory-backend-ram,id=r,size=1G'],
      ['-machine', 'pc,memory_backend=r', '-object', 'memory-backend-memfd,id=r,size=1G,share=on'],
    ],
    [
      'ram backend in keyval that says share=on',
      ['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-ram,share=on,id=r,size=1G'],
      ['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-memfd,share=on,id=r,size=1G'],
    ],
    [
      'private file backend',
      [
        '-machine',
        'pc,memory-backend=r',
        '-object',
        'memory-backend-file,id=r,mem-path=/x,size=1G,share=off',
      ],
      ['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-file,id=r,mem-path=/x,size=1G,share=on'],
    ],
    [
      'private memfd',
      [
        '-machine',
        'pc,memory-backend=r',
        '-object',
        '{"qom-type":"memory-backend-memfd","id":"r","share":false}',
      ],
      [
        '-machine',
        'pc,memory-backend=r',
        '-object',
        '{"qom-type":"memory-backend-memfd","id":"r","share":true}',
      ],
    ],
    [
      'every NUMA node',
      [
        '-object',
        'memory-backend-ram,id=a,size=1G',
        '-numa',
        'node,memdev=a',
        '-object',
        'memory-backend-file,id=b,size=1G,mem-path=/x',
        '-numa',
        'node,memdev=b',
      ],
      [
        '-object',
        'memory-backend-memfd,id=a,size=1G,share=on',
        '-numa',
        'node,memdev=a',
        '-object',
        'memory-backend-file,id=b,size=1G,mem-path=/x,share=on',
        '-numa',
        'node,memdev=b',
      ],
    ],
    [
      'pc-dimm and virtio-mem',
      [
        '-machine',
        'pc,memory-backend=r',
        '-object',
        'memory-backend-memfd,id=r,size=1G',
        '-object',
        'memory-backend-ram,id=d,size=1G',
        '-device',
        'pc-dimm,memdev=d',
        '-object',
        '{"qom-type":"memory-backend-ram","id":"v","size":1}',
        '-device',
        '{"driver":"virtio-mem-pci","memdev":"v"}',
      ],
      [
        '-machine',
        'pc,memory-backend=r',
        '-object',
        'memory-backend-memfd,id=r,size=1G',
        '-object',
        'memory-backend-memfd,id=d,size=1G,share=on',
        '-device',
        'pc-dimm,memdev=d',
        '-object',
        '{"qom-type":"memory-backend-memfd","id":"v","size":1,"share":true}',
        '-device',
        '{"driver":"virtio-mem-pci","memdev":"v"}',
      ],
    ],
  ]
  for (const [name, before, after] of cases) {
    t.strictSame(shared(before), after, name)
    t.strictSame(shared(after), after, `${name}, planned again`)
  }
})

t.test('the default RAM id and size are those of the machine type and architecture', async (t) => {
  t.match(shared(['-M', 'virt'], '', 'aarch64').join(' '), 'id=mach-virt.ram,size=134217728')
  t.match(shared(['-M', 'pseries'], '', 'ppc64').join(' '), 'id=ppc_spapr.ram,size=536870912')
  t.match(shared(['-M', 's390-ccw-virtio-7.2'], '', 's390x').join(' '), 'id=s390.ram,')
  t.match(shared(['-M', 'virt', '-m', '1G'], '', 'loongarch64').join(' '), 'id=loongarch.ram,size=1073741824')
  const odd = planOf([...start, '-M', 'board', '-m', '1G'], { arch: 'aarch64' })
  t.match(argv(odd).join(' '), 'id=qemu-rt.ram,')
  t.match(warningsOf(odd), [
    "machine type 'board': name of its RAM not known, 'qemu-rt.ram' is used; migration needs the same",
  ])
})

t.test('a machine type is known as distributions write it', async (t) => {
  const ids = (types: readonly string[], arch?: string) =>
    types.map(
      (type) => /id=([^,]*),size/.exec(shared(['-machine', type, '-m', '1G'], '', arch).join(' '))?.[1],
    )
  const x86 = ['type=q35+pve0', 'q35+pve1', 'pc+pve0', 'pc-q35-9.0+pve0', 'pc-i440fx-8.1+pve1', 'rhel6.6.0']
  x86.push(
    'pc-q35-rhel9.4.0',
    'pc-q35-noble',
    'pc-i440fx-bionic-hpb',
    'ubuntu',
    'ubuntu-q35',
    'pc-1.0-precise',
  )
  t.strictSame([...new Set(ids(x86))], ['pc.ram'])
  t.strictSame(
    ids(['virt+pve0', 'virt-8.1+pve0', 'virt-rhel9.2.0'], 'aarch64'),
    Array(3).fill('mach-virt.ram'),
  )
  t.strictSame(ids(['nitro']), ['ram'])
  t.strictSame(ids(['q35+other']), ['qemu-rt.ram'])
})

t.test('an emulator is known as distributions call it', async (t) => {
  const arches: [string, string][] = [
    ['i686', 'pc.ram'],
    ['i586', 'pc.ram'],
    ['amd64', 'pc.ram'],
    ['x86_64-spice', 'pc.ram'],
    ['ppc64le', 'ppc_spapr.ram'],
  ]
  for (const [arch, id] of arches) t.match(shared(['-m', '1G'], '', arch).join(' '), `id=${id},`, arch)
  for (const emulator of ['/usr/libexec/qemu-kvm', '/usr/bin/kvm', '/usr/bin/qemu-system-i686']) {
    const plan = planOf([...start, '-m', '1G'], { options: ['--emulator', emulator] })
    t.match(argv(plan).join(' '), 'id=pc.ram,', emulator)
    t.equal(plan.emulator, emulator)
  }
})

t.test('a RAM size that only QEMU knows is asked for', async (t) => {
  const message = (machine: string) =>
    `the size of the guest's RAM is not known: ${machine}, without -m; write it with -m; QEMU's own default is in query-memory-size-summary of its monitor`
  const cases: [string, string[], string][] = [
    ['aarch64', ['-M', 'raspi3b'], "machine type 'raspi3b'"],
    ['x86_64', ['-M', 'board-of-2031'], "machine type 'board-of-2031'"],
    ['x86_64', ['-M', 'board', '-m', '', '-m', 'slots=2'], "machine type 'board'"],
    ['loongarch64', [], "machine type 'virt'"],
    ['aarch64', [], 'no machine type is given'],
  ]
  for (const [arch, args, machine] of cases)
    t.throws(() => shared(args, '', arch), { exitCode: 65, message: message(machine) })
  const locked = {
    options: ['--profile', 'p'],
    config: '[profile.p]\nlock-memory = true',
    arch: 'aarch64',
  }
  const board = ['-M', 'raspi3b']
  t.doesNotThrow(() => planOf(board, { ...locked, memoryLockLimit: 1n << 30n }))
  t.throws(() => planOf(board, { ...locked, memoryLockLimit: 1n << 20n }), {
    exitCode: 77,
    message:
      /^this user may lock 1 MiB, which is not enough for the guest's RAM, and about 192 MiB of QEMU's own: lock-memory/,
  })
})

t.test("-m '' says nothing of the size", async (t) => {
  t.match(shared(['-m', '']).join(' '), 'id=pc.ram,size=134217728,')
  t.match(shared(['-m', '256M', '-m', '']).join(' '), 'id=pc.ram,size=268435456,')
  t.throws(() => shared(['-m', 'size=']), { message: /memory size/, exitCode: 65 })
  t.throws(() => shared(['-m', ',slots=2,maxmem=1G']), { message: /memory size/, exitCode: 65 })
})

t.test('machine types before 4.0 keep the name that migration knows their RAM by', async (t) => {
  const off = 'x-use-canonical-path-for-ramblock-id'
  const ram = (machine: string) => [
    '-machine',
    `${machine},memory-backend=r`,
    '-object',
    'memory-backend-ram,id=r,size=1G',
  ]
  const old31 = ['pc-i440fx-3.1', 'pc-q35-2.12', 'pc-i440fx-rhel7.6.0', 'pc-q35-rhel8.0.0', 'rhel6.5.0']
  old31.push(
    'pc-i440fx-3.1+pve0',
    'pc-i440fx-xenial',
    'pc-q35-bionic',
    'pc-i440fx-bionic-hpb',
    'pc-q35-disco',
  )
  for (const old of old31) {
    t.match(shared(ram(old))[3], `memory-backend-memfd,id=r,size=1G,${off}=off,share=on`, old)
    t.match(shared(['-machine', old])[3], new RegExp(`${off}=off`), old)
  }
  for (const machine of [
    'pc',
    'q35',
    'pc-i440fx-4.0',
    'pc-q35-10.1',
    'pc-q35-rhel8.1.0',
    'pc-q35-eoan',
    'pc-i440fx-focal',
    'q35+pve0',
  ]) {
    t.notMatch(shared(ram(machine)).join(' '), off, machine)
  }
  const file = [
    '-machine',
    'pc-i440fx-3.1,memory-backend=r',
    '-object',
    'memory-backend-file,id=r,size=1G,mem-path=/x',
  ]
  t.notMatch(shared(file).join(' '), off, 'a file keeps the name that it has')
})

t.test('everything that speaks vhost-user is noticed', async (t) => {
  const speakers = [
    ['-netdev', '{"type":"vhost-user","id":"n"}'],
    ['-netdev', 'type=vhost-user,id=n'],
    ['-nic', 'vhost-user,chardev=c'],
    ['-net', 'vhost-user,chardev=c'],
    ['-netdev', 'passt,id=n,vhost-user=on'],
    ['-netdev', 'passt,id=n,vhost-user'],
    ['-netdev', '{"type":"passt","id":"n","vhost-user":true}'],
    ['-object', 'cryptodev-vhost-user,id=c'],
    ...'blk-pci blk-pci-non-transitional scsi-pci fs-pci fs-ccw gpu-pci vga input-pci vsock-pci i2c-pci gpio-pci rng-pci snd-pci scmi-pci device-pci from-the-future-pci'
      .split(' ')
      .flatMap((name) => [
        ['-device', `vhost-user-${name},chardev=c`],
        ['-device', `{"driver":"vhost-user-${name}"}`],
      ]),
  ]
  for (const args of speakers) t.match(argv(planOf(args)).join(' '), 'memory-backend-memfd', args.join(' '))
  for (const args of [
    ['-netdev', 'passt,id=n'],
    ['-netdev', 'tap,id=vhost-user'],
    ['-device', 'vhost-vsock-pci'],
    ['-chardev', 'socket,id=vhost-user'],
  ]) {
    t.notMatch(argv(planOf(args)).join(' '), 'memory-backend', args.join(' '))
  }
})

const profile = (share: string) => `[profile.p]\nshare = "${share}"\n`

t.test('so is everything else whose back end maps guest RAM', async (t) => {
  const blk = 'virtio-blk-vhost-user'
  const sharing = [
    ['-device', '{"driver":"vfio-user-pci","socket":{"path":"/x","type":"unix"}}'],
    ['-device', 'vfio-user-pci,socket=/x'],
    ['-device', 'vfio-user-of-later,socket=/x'],
    ['-device', 'x-pci-proxy-dev,id=r,fd=4'],
    ['-blockdev', `${blk},node-name=b,path=/x`],
    ['-blockdev', `driver=${blk},node-name=b,path=/x`],
    ['-blockdev', `raw,node-name=b,file.driver=${blk},file.path=/x`],
    ['-blockdev', `{"driver":"raw","node-name":"b","file":{"driver": "${blk}","path":"/x"}}`],
    ['-blockdev', '{"node-name":"b","driver":"virtio-blk-vhost-vdpa","path":"/dev/vhost-vdpa-0"}'],
    ['-drive', `if=none,id=d,driver=${blk},path=/x`],
    ['-drive', `if=none,id=d,format=${blk},path=/x`],
    ['-drive', `if=virtio,file.driver=${blk},file.path=/x`],
    ['-drive', `if=virtio,file=json:{"driver":"${blk}",,"path":"/x"}`],
    ['-hda', `json:{'driver':'${blk}','path':'/x'}`],
  ]
  for (const args of sharing) t.match(argv(planOf(args)).join(' '), 'memory-backend-memfd', args.join(' '))
  const hardware = [
    ['-netdev', 'vhost-vdpa,id=n,vhostdev=/dev/vhost-vdpa-0'],
    ['-netdev', '{"type":"vhost-vdpa","id":"n","vhostfd":"4"}'],
    ['-device', 'vhost-vdpa-device-pci,vhostdev=/dev/vhost-vdpa-0'],
  ]
  for (const args of hardware) t.notMatch(argv(planOf(args)).join(' '), 'memory-backend', args.join(' '))
  const others = [
    ['-device', 'vfio-pci,host=03:00.0'],
    ['-blockdev', 'virtio-blk-vfio-pci,node-name=b,path=/x'],
    ['-blockdev', 'io_uring,node-name=b,filename=/x/virtio-blk-vhost-user'],
    ['-drive', 'file=/x/driver-virtio-blk-vhost-user.img'],
    ['-blockdev', 'file,node-name=virtio-blk-vhost-user,filename=/x'],
    ['-device', 'virtio-blk-pci,serial=virtio-blk-vhost-user'],
  ]
  for (const args of others) {
    t.notMatch(argv(planOf([...args, '-nodefaults'])).join(' '), 'memory-backend', args.join(' '))
  }
  const options = ['--profile', 'p']
  const never = planOf(['-blockdev', `${blk},node-name=b,path=/x`], { options, config: profile('never') })
  t.match(never.warnings, [
    {
      kind: 'no-data',
      what: /so guest RAM stays private and -blockdev virtio-blk-vhost-user will move no data$/,
    },
  ])
})

t.test('share = "always" shares without a vhost-user device, "never" warns', async (t) => {
  const options = ['--profile', 'p']
  const always = planOf(NAMED, { options, config: profile('always') })
  t.match(argv(always).join(' '), 'memory-backend-memfd')
  const never = planOf(start, { options, config: profile('never') })
  t.strictSame(argv(never), start)
  t.strictSame(warningsOf(never), [
    `profile 'p' has share = "never", so guest RAM stays private and -netdev vhost-user 'n0' will move no data`,
  ])
  const fine = ['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-memfd,id=r,size=128M']
  t.strictSame(warningsOf(planOf([...start, ...fine], { options, config: profile('never') })), [])
})

t.test('what is not guest RAM is left alone with a warning', async (t) => {
  const args = [
    ...start,
    ...['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-memfd,id=r,size=1G'],
    ...['-object', 'memory-backend-file,id=nv,mem-path=/x,size=1G', '-device', 'nvdimm,memdev=nv,id=nv0'],
    ...['-object', '{"qom-type":"memory-backend-epc","id":"epc","size":1}', '-device', 'sgx-epc,memdev=epc'],
    ...[
      '-object',
      'memory-backend-file,id=rom,mem-path=/y,size=1G,readonly=on',
      '-device',
      'pc-dimm,memdev=rom',
    ],
    ...['-object', 'memory-backend-ram,id=spare,size=1G'],
    ...[
      '-object',
      'memory-backend-file,id=shm,mem-path=/z,size=1M,share=on',
      '-device',
      'ivshmem-plain,memdev=shm',
    ],
  ]
  const plan = planOf(args)
  t.strictSame(argv(plan), args)
  t.strictSame(warningsOf(plan), [
    "memory backend 'nv' of -object (option 6) is left alone and stays private: nvdimm 'nv0' uses it; sharing it would write what the guest changes into its image",
    "memory backend 'epc' of -object (option 8) is left alone and stays private: sgx-epc uses it; enclave memory is not for other processes",
    "memory backend 'rom' of -object (option 10) is left alone: it is read-only",
    "memory backend 'spare' of -object (option 12) is used by nothing here and stays private; a memory device plugged in later needs it shared",
  ])
})

t.test('stores with a memory backend are used by their device', async (t) => {
  const ram = ['-machine', 'pc,memory-backend=r', '-object', 'memory-backend-memfd,id=r,size=1G']
  const store = (device: string) =>
    planOf([
      ...start,
      ...ram,
      '-object',
      'memory-backend-file,id=s,mem-path=/x,size=1M',
      '-device',
      `${device}=s`,
    ]).warnings
  t.strictSame(store('acpi-erst,memdev'), [])
  t.strictSame(store('nvme,serial=1,drive=d,pmrdev'), [])
  t.match(store('spapr-nvdimm,memdev'), [
    { what: /left alone and stays private: spapr-nvdimm uses it; sharing it would/ },
  ])
})

t.test('memory that is plugged in later is for a person to share', async (t) => {
  const hint = (args: string[]) =>
    planOf([...start, ...args]).warnings.some(({ what }) => /plugged in later/.test(what))
  const dimm = ['-object', 'memory-backend-memfd,id=d,size=1G', '-device', 'pc-dimm,memdev=d']
  t.ok(hint(['-m', '1G,slots=1,maxmem=4G']))
  t.notOk(hint(['-m', '1G,slots=1,maxmem=4G', ...dimm]), 'every slot is taken')
  t.ok(hint(['-m', '1G,slots=2,maxmem=4G', ...dimm]))
  t.notOk(hint(['-m', '1G,maxmem=4G']), 'virtio-mem has no slots')
  t.strictSame(planOf([...NAMED, '-m', '1G,slots=2,maxmem=4G']).warnings, [], 'nothing is shared')
})

t.test('a backend that is named and not there is warned about', async (t) => {
  const args = [...start, '-machine', 'pc,memory-backend=gone']
  const plan = planOf(args)
  t.strictSame(argv(plan), args)
  t.match(warningsOf(plan), [
    "-machine memory-backend= names the memory backend 'gone', which is not on the command line",
  ])
})

t.test('an unused object that has the default id already is not given twice', async (t) => {
  const after = shared(['-object', 'memory-backend-memfd,id=pc.ram,size=1G'])
  t.match(after.join(' '), 'memory-backend=pc.ram-base')
})

t.test('-machine none has no RAM to share', async (t) => {
  t.strictSame(shared(['-machine', 'none']), ['-machine', 'none'])
})

t.test('-machine none with a file that names a machine type is no machine none', async (t) => {
  const text = '[machine]\n  type = "q35"\n'
  const readConfigs = [{ path: 'f', text }]
  const file = ['-readconfig', 'f']
  const after = planOf([...start, '-machine', 'none', ...file], { readConfigs })
  t.match(argv(after).join(' '), /memory-backend-memfd,id=pc\.ram,size=\d+,share=on/)
  const before = [...start, ...file, '-machine', 'none']
  t.strictSame(argv(planOf(before, { readConfigs })), before, 'the last one counts')
  t.doesNotThrow(() => planOf([...start, '-machine', 'x-remote']))
})

t.test('a memory size that does not parse is an error', async (t) => {
  t.throws(() => shared(['-m', '4Q']), {
    message: "memory size '4Q' does not parse: -m (option 4); write a number with K, M, G or T, such as 4G",
    exitCode: 65,
  })
})

t.test('the RAM of -machine memory.size is backed in its size', async (t) => {
  const args = [...NAMED, '-M', 'q35,memory.size=512M', '-device', 'vhost-user-blk-pci,chardev=c']
  t.ok(argv(planOf(args)).includes('memory-backend-memfd,id=pc.ram,size=536870912,share=on'))
})
