// A real-time compute node in a VM: npm run lab runs the tests in it, npm run lab -- --shell gives a shell. Options:
//   --shell            a shell instead of the tests; leave it with `exit`
//   --part NAME        only the parts whose names begin so: --part 2
//   --with NAME        this part besides, in a boot of its own: one without a number, which by default does not run; may be repeated
//   --nova             the node as a compute node of OpenStack; see docs/lab.md
//   --fetch            fetches the node's kernel, and no more
//   --timeout SECONDS  how long the node may run (default: 1800)
// It needs qemu-system-x86_64, busybox-static, kmod, binutils, xz-utils and apt's package lists. The log is kept in .lab/node.log.
import { execFileSync, spawn } from 'node:child_process'
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** How long the node has until its first process says that it is up: about 10 s where nothing else runs. */
const START_SECONDS = 150
/** How often it is started where it does not come up. */
const STARTS = 3

/** Each boot runs the parts of one directory; a partition of CPUs is proven where isolcpus= has not isolated them before. */
const BOOTS = [
  { parts: 'inside', cpus: 4, quiet: '2-3', isolation: 'isolcpus=2-3' },
  { parts: 'inside-plain', cpus: 6, quiet: '2-5', isolation: '' },
  { parts: 'inside-unmapped', cpus: 4, quiet: '2-3', isolation: '', remapping: 'off' },
  // Its part is run by nova/control.sh alone, which has the cloud that it is a node of.
  { parts: 'inside-nova', cpus: 4, quiet: '2-3', isolation: 'isolcpus=2-3', network: true },
]

const options = readOptions()
const here = fileURLToPath(new URL('.', import.meta.url))
const project = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '')
const kept = join(project, '.lab')
/** What the node leaves: it sees it as /run/lab-out. */
const out = join(kept, 'out')

/** Modules that the node needs before it has a file system, and VFIO with what it binds. */
const MODULES = [
  'virtio_pci',
  'virtio_net',
  '9p',
  '9pnet_virtio',
  'overlay',
  'e1000e',
  'e1000',
  'vfio_iommu_type1',
  'vfio-pci',
  'tun',
  'bridge',
]

/** How a module that is compressed is read, by the end of its file's name; Debian has xz since 13. */
const UNPACKERS = { '.gz': 'gzip', '.xz': 'xz', '.zst': 'zstd' }

/** Nested guests, each of one file: BIOS images, and a disk. */
const GUESTS = [
  { name: 'mac-guest', source: 'mac-guest', symbols: [], address: '0' },
  { name: 'irq-guest', source: 'irq-guest', symbols: [], address: '0' },
  // Where a BIOS puts the first sector of a disk.
  { name: 'mac-disk', source: 'mac-guest', symbols: ['--defsym', 'DISK=1'], address: '0x7c00' },
]

/** NICs of one model, each on a network of its own. */
const NICS = [0, 1, 2, 3].flatMap((n) => [
  ...['-netdev', `hubport,id=net${n},hubid=${n}`],
  ...['-device', `e1000e,netdev=net${n},addr=${n + 2},mac=52:54:00:00:01:0${n}`],
])

/** Two devices behind one bridge, which are in one IOMMU group. */
const SHARED_GROUP = [
  ...['-device', 'pcie-pci-bridge,id=bridge'],
  ...[
    '-netdev',
    'hubport,id=net8,hubid=8',
    '-device',
    'e1000,netdev=net8,bus=bridge,addr=1,mac=52:54:00:00:01:08',
  ],
  ...[
    '-netdev',
    'hubport,id=net9,hubid=9',
    '-device',
    'e1000,netdev=net9,bus=bridge,addr=2,mac=52:54:00:00:01:09',
  ],
]

/** A NIC of the same model, which is alone in its group. */
const OWN_GROUP = [
  ...['-device', 'pcie-pci-bridge,id=bridge2,addr=0x10'],
  ...['-netdev', 'hubport,id=net10,hubid=10'],
  ...['-device', 'e1000,netdev=net10,bus=bridge2,addr=1,mac=52:54:00:00:01:0a'],
]

/**
 * The way to what listens on the loopback address of whoever runs this: it is 10.0.2.2 in the node. The cards get no program of
 * their own for a BIOS, which would take minutes in a nested guest.
 */
const NETWORK = [
  ...['-netdev', 'user,id=cloud,ipv6=off', '-device', 'virtio-net-pci,netdev=cloud,addr=0x12,romfile='],
  ...['-global', 'e1000e.romfile='],
]

/** A NIC with virtual functions, in a slot whose bridge has room for their memory. */
const SRIOV = [
  ...['-device', 'pcie-root-port,id=sriov,addr=0x11,chassis=1,slot=1,mem-reserve=32M,pref64-reserve=32M'],
  ...['-netdev', 'hubport,id=net11,hubid=11'],
  ...['-device', 'igb,netdev=net11,bus=sriov,mac=52:54:00:00:01:0b'],
]

if (options.nova) process.exit(await runCloud())
rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const work = mkdtempSync(join(tmpdir(), 'qemu-rt-lab-'))
let status = 1
try {
  const kernel = fetchKernel()
  if (!options.fetch) for (const guest of GUESTS) assemble(guest)
  status = options.fetch ? 0 : await bootAll(kernel, makeInitramfs(kernel))
} catch (error) {
  console.error(`lab: ${error.message}`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
process.exitCode = status

function readOptions() {
  try {
    return parseArgs({
      options: {
        shell: { type: 'boolean', default: false },
        part: { type: 'string', default: '' },
        with: { type: 'string', multiple: true, default: [] },
        nova: { type: 'boolean', default: false },
        fetch: { type: 'boolean', default: false },
        timeout: { type: 'string', default: '1800' },
      },
    }).values
  } catch (error) {
    process.stderr.write(
      `lab: ${error.message}; npm run lab -- [--shell] [--part NAME] [--with NAME]… [--nova] [--timeout SECONDS], see docs/lab.md\n`,
    )
    process.exit(64)
  }
}

/** Runs nova/cloud.ts, which runs this file again in a root of its own. @returns its exit code */
async function runCloud() {
  const { buildSync } = await import('esbuild')
  const outfile = join(project, 'dist/cloud.mjs')
  buildSync({
    entryPoints: [join(here, 'nova/cloud.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
  })
  const rest = [...(options.shell ? ['--shell'] : []), '--timeout', options.timeout]
  const cloud = spawn(process.execPath, [outfile, ...rest], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => cloud.kill(signal))
  return new Promise((resolve) => cloud.once('exit', (code) => resolve(code ?? 1)))
}

/** Debian's current PREEMPT_RT kernel, unpacked; fetched once. */
function fetchKernel() {
  const depends = execFileSync('apt-cache', ['depends', 'linux-image-rt-amd64'], { encoding: 'utf8' })
  const name = /Depends: (linux-image-\S+-rt-amd64)$/m.exec(depends)?.[1]
  if (name === undefined) throw new Error('apt knows no linux-image-rt-amd64; apt-get update')
  const release = name.replace('linux-image-', '')
  const directory = join(kept, release)
  if (!existsSync(directory)) {
    console.log(`lab: fetching ${name}`)
    const unpacked = join(work, 'kernel')
    execFileSync('apt-get', ['download', '-q', ...kernelPackages(name, release)], {
      cwd: work,
      stdio: 'ignore',
    })
    for (const archive of readdirSync(work).filter((file) => file.endsWith('.deb')))
      execFileSync('dpkg', ['-x', archive, unpacked], { cwd: work })
    // Since Debian 13 a kernel's modules are in /usr/lib/modules, where depmod and modprobe look by way of /lib.
    if (!existsSync(join(unpacked, 'lib'))) symlinkSync('usr/lib', join(unpacked, 'lib'))
    execFileSync('depmod', ['-b', unpacked, release])
    execFileSync('cp', ['-a', unpacked, directory])
  }
  const images = [`boot/vmlinuz-${release}`, `usr/lib/modules/${release}/vmlinuz`]
  const image = images.map((path) => join(directory, path)).find((path) => existsSync(path))
  if (image === undefined) throw new Error(`${directory} has no kernel; remove it, and run this again`)
  return { release, image, root: directory }
}

/** The package of the image, and those of the same kernel that it needs: unstable has kernel and modules in packages of their own. */
function kernelPackages(name, release) {
  const depends = execFileSync('apt-cache', ['depends', '--important', name], { encoding: 'utf8' })
  const others = [...depends.matchAll(/Depends: (linux-\S+)$/gm)].map(([, other]) => other)
  return [name, ...others.filter((other) => other.endsWith(`-${release}`))]
}

/** busybox, the init beside this file, and the modules in the order in which they have to be loaded. */
function makeInitramfs({ release, root }) {
  const tree = join(work, 'initramfs')
  for (const directory of ['bin', 'proc', 'sys', 'dev', 'modules'])
    mkdirSync(join(tree, directory), { recursive: true })
  copyFileSync('/bin/busybox', join(tree, 'bin/busybox'))
  copyFileSync(join(here, 'init'), join(tree, 'init'))
  const paths = MODULES.flatMap((module) =>
    execFileSync('modprobe', ['-d', root, '-S', release, '--show-depends', module], { encoding: 'utf8' })
      .split('\n')
      .flatMap((line) => /^insmod (\S+)/.exec(line)?.[1] ?? []),
  )
  const order = [...new Set(paths)]
  const names = order.map((path) => copyModule(path, join(tree, 'modules')))
  writeFileSync(join(tree, 'modules/order'), `${names.join('\n')}\n`)
  const files = execFileSync('find', ['.'], { cwd: tree })
  const archive = join(work, 'initramfs.cpio')
  writeFileSync(
    archive,
    execFileSync('busybox', ['cpio', '-o', '-H', 'newc'], {
      cwd: tree,
      input: files,
      maxBuffer: 2 ** 28,
      stdio: ['pipe', 'pipe', 'ignore'],
    }),
  )
  return archive
}

/** Uncompressed, as busybox's insmod takes it. @returns the name of the copy */
function copyModule(path, directory) {
  const extension = extname(path)
  const unpacker = UNPACKERS[extension]
  if (unpacker === undefined) {
    copyFileSync(path, join(directory, basename(path)))
    return basename(path)
  }
  const name = basename(path, extension)
  writeFileSync(join(directory, name), execFileSync(unpacker, ['-dc', path], { maxBuffer: 2 ** 28 }))
  return name
}

/** A nested guest's image. */
function assemble({ name, source, symbols, address }) {
  const object = join(work, `${name}.o`)
  const image = join(kept, `${name}.bin`)
  execFileSync('as', ['--32', ...symbols, '-o', object, join(here, `${source}.S`)])
  execFileSync('ld', ['-m', 'elf_i386', `-Ttext=${address}`, '--oformat=binary', '-o', image, object])
}

/** igb is in QEMU since 8.0. */
function hasDevice(name) {
  return execFileSync('qemu-system-x86_64', ['-device', 'help'], { encoding: 'utf8' }).includes(
    `name "${name}"`,
  )
}

/** @returns the exit code: 0 when every test has passed */
async function bootAll(kernel, initramfs) {
  const tested = [...BOOTS.map(asked), ...options.with.map(alone)].filter(({ names }) => names.length > 0)
  const boots = options.shell ? [{ ...BOOTS[0], names: [] }] : tested
  if (boots.length === 0) throw new Error(`no part's name begins with ${options.part}; see docs/lab.md`)
  let [passed, failed] = [0, 0]
  rmSync(join(kept, 'node.log'), { force: true })
  for (const one of boots) {
    const result = await boot(kernel, initramfs, one)
    passed += result.passed
    failed += result.failed
  }
  if (options.shell) return 0
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

/** A boot with the parts of its directory that are asked for, in their order. Parts without a number run by their name alone. */
function asked(one) {
  const begins = (name) => (options.part === '' ? /^\d/.test(name) : name.startsWith(options.part))
  return { ...one, names: namesOf(one).filter(begins) }
}

/** A boot for one part: what the others leave, such as AppArmor, is not there. */
function alone(name) {
  const one = BOOTS.find((boot) => namesOf(boot).includes(name))
  if (one === undefined) throw new Error(`there is no part ${name}; see docs/lab.md`)
  return { ...one, names: [name] }
}

function namesOf({ parts }) {
  return readdirSync(join(here, parts))
    .filter((file) => file.endsWith('.sh'))
    .map((file) => file.slice(0, -'.sh'.length))
}

async function boot({ release, image, root }, initramfs, one) {
  const { parts, names, cpus, quiet, isolation, network = false, remapping = 'on' } = one
  const append = [
    `console=ttyS0 quiet panic=-1 no_timer_check intel_iommu=on iommu=pt ${isolation} nohz_full=${quiet} rcu_nocbs=${quiet} irqaffinity=0-1 hugepages=256`,
    `lab.modules=${join(root, 'lib/modules', release)} lab.parts=${parts} lab.run=${join(here, 'inside.sh')} lab.shell=${options.shell ? 'yes' : 'no'} lab.part=${names.join()}`,
  ].join(' ')
  const args = [
    ...[
      '-machine',
      'q35,kernel-irqchip=split',
      '-accel',
      'tcg,thread=multi',
      '-cpu',
      'max',
      '-smp',
      String(cpus),
      '-m',
      '6G',
    ],
    ...[
      '-device',
      `intel-iommu,intremap=${remapping},caching-mode=on`,
      '-nodefaults',
      '-display',
      'none',
      '-no-reboot',
    ],
    ...['-kernel', image, '-initrd', initramfs, '-append', append],
    // First, so that their addresses are theirs.
    ...NICS,
    ...SHARED_GROUP,
    ...OWN_GROUP,
    ...(hasDevice('igb') ? SRIOV : []),
    ...(network ? NETWORK : []),
    ...['-virtfs', 'local,path=/,mount_tag=hostroot,security_model=none,readonly=on,multidevs=remap'],
    ...['-virtfs', `local,path=${out},mount_tag=out,security_model=none`],
    ...['-serial', options.shell ? 'mon:stdio' : 'stdio'],
  ]
  const output = await start(args)
  const lines = output.split(/\r?\n/)
  const passed = lines.filter((line) => line.startsWith('ok ')).length
  const failed = lines.filter((line) => line.startsWith('not ok ')).length
  const isWhole = lines.includes('lab: every test was run')
  const missing = isWhole ? 0 : 1
  if (!isWhole) console.error('lab: it ended before every test was run; the log is .lab/node.log')
  return { passed, failed: failed + missing }
}

/**
 * Runs the node until it ends. One that hangs before its first process is up is started again: with the emulated CPUs of
 * QEMU 10.0, Linux 6.12 sometimes gets no timer interrupt on its first CPU, and reports RCU stalls for ever.
 * @returns what its console said
 */
async function start(args) {
  for (let left = STARTS - 1; ; left--) {
    const { output, isUp } = await runNode(args)
    if (isUp || left === 0) return output
    console.log(`lab: the node was not up after ${START_SECONDS} s; it is started again`)
  }
}

async function runNode(args) {
  const node = spawn('qemu-system-x86_64', args, {
    stdio: [options.shell ? 'inherit' : 'ignore', options.shell ? 'inherit' : 'pipe', 'pipe'],
  })
  const log = createWriteStream(join(kept, 'node.log'), { flags: 'a' })
  let output = ''
  node.stdout?.on('data', (chunk) => {
    output += chunk
    log.write(chunk)
    process.stdout.write(chunk)
  })
  node.stderr.on('data', (chunk) => log.write(chunk))
  const isUp = () => options.shell || /^lab: .* is up after/m.test(output)
  const starting = setTimeout(() => isUp() || node.kill('SIGKILL'), START_SECONDS * 1000)
  const running = setTimeout(() => {
    console.error(`lab: not ready after ${options.timeout} s; the log is .lab/node.log`)
    node.kill('SIGKILL')
  }, Number(options.timeout) * 1000)
  await new Promise((resolve) => node.once('exit', resolve))
  clearTimeout(starting)
  clearTimeout(running)
  log.end()
  return { output, isUp: isUp() || node.signalCode === null }
}
