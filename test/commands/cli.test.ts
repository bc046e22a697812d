import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { VERSION } from '../../src/version.js'
import { qemuRt, runSync } from '../launcher/run.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const sysroot = `${root}fixtures/hosts/four-nics`
const config = `${root}examples/four-networks.toml`
const run = (...args: string[]) => qemuRt(args)

t.test('the version is that of the package', async (t) => {
  t.equal(JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version, VERSION)
  t.match(run('--version'), { status: 0, stdout: `qemu-rt ${VERSION} (build `, stderr: '' })
})

t.test('help lists the commands, and run has its own', async (t) => {
  t.match(run('--help').stdout, /run[\s\S]*nics[\s\S]*golden/)
  t.match(run('run', '-h'), { status: 0, stdout: /--dry-run/ })
  t.match(run('run', '--help'), { status: 0, stdout: /--dry-run[\s\S]*--nic <name/ })
})

t.test('help of a command of a command is its own, as with git and virsh', async (t) => {
  t.match(run('help', 'nics', 'bind'), { status: 0, stdout: /^Usage: qemu-rt nics bind /, stderr: '' })
  t.match(run('nics', 'help', 'bind'), { status: 0, stdout: /^Usage: qemu-rt nics bind / })
  t.match(run('help', 'jitter', 'diff'), { status: 0, stdout: /^Usage: qemu-rt jitter diff / })
  t.match(run('help', 'status'), { status: 0, stdout: /^Usage: qemu-rt status / })
  t.match(run('help'), { status: 0, stdout: /^Usage: qemu-rt \[options\] \[command\]/ })
  const unknown = { status: 64, stdout: '' }
  t.match(run('help', 'statsu'), {
    ...unknown,
    stderr: "qemu-rt: unknown command 'statsu'; did you mean status?\n",
  })
  t.match(run('help', 'nics', 'bnd'), {
    ...unknown,
    stderr: "qemu-rt: unknown command 'bnd'; did you mean bind?\n",
  })
})

t.test('nics list prints the NICs with their names', async (t) => {
  const { stdout, status } = run('nics', 'list', '--sysroot', sysroot, '--config', config)
  t.equal(status, 0)
  t.match(stdout, /^NAME +ADDRESS +ID +DRIVER/)
  t.match(stdout, /^fieldbus0,spare +0000:03:00\.2 +8086:1521 +vfio-pci +ens1f2 \(saved\)/m)
})

t.test('nics list and export say of a name without its device what nics show says', async (t) => {
  const dir = t.testdir({
    'rt.toml': [
      '[nic.gone]\nmac = "02:00:00:00:00:99"',
      '[nic.one]\ninterface = "ens1f0"',
      '[nic.two]\nid = "8086:1521"',
      '',
    ].join('\n'),
  })
  const of = (...command: string[]) => run(...command, '--sysroot', sysroot, '--config', `${dir}/rt.toml`)
  const gone = of('nics', 'show', 'gone').stderr
  t.match(gone, /^qemu-rt: NIC 'gone' \(mac .*\) matches no device of this host: .*\n$/)
  const two = of('nics', 'show', 'two').stderr
  t.match(two, /^qemu-rt: NIC 'two' \(id .*\) matches 4 devices: .*\n$/)
  t.match(of('nics', 'list'), { status: 0, stdout: /^one,two +0000:03:00\.0/m, stderr: gone + two })
  t.ok(of('export', 'nfd').stderr.startsWith(gone + two))
})

t.test('nics list and show print JSON', async (t) => {
  const nics = JSON.parse(
    run('nics', 'list', '--sysroot', sysroot, '--config', config, '--format', 'json').stdout,
  )
  t.equal(nics.filter((nic: { id: string }) => nic.id === '8086:1521').length, 4)
  const shown = JSON.parse(
    run('nics', 'show', 'fieldbus0', '--sysroot', sysroot, '--config', config, '--format', 'json').stdout,
  )
  t.match(shown, { name: 'fieldbus0', pool: false, devices: [{ address: '0000:03:00.2', ready: true }] })
})

t.test('nics show says what keeps a NIC from being given away', async (t) => {
  const { stdout } = run('nics', 'show', 'ens1f0', '--sysroot', sysroot)
  t.match(
    stdout,
    /ready +no: 0000:03:00\.0 is bound to igb \(ens1f0\), not to vfio-pci; run as root: qemu-rt nics bind 0000:03:00\.0$/m,
  )
})

t.test('errors are one line with the exit code', async (t) => {
  const cases: [string[], number, RegExp][] = [
    [
      ['nics', 'show', 'ens1f9', '--sysroot', sysroot],
      69,
      /^qemu-rt: NIC 'ens1f9' is neither configured nor an interface.*\n$/,
    ],
    [['nics', 'list', '--sysroot', '/does/not/exist'], 65, /^qemu-rt: .*\/does\/not\/exist.*\n$/],
    [['nics', 'list', '--config', '/does/not/exist'], 78, /^qemu-rt: .*\/does\/not\/exist.*\n$/],
    [
      ['nics', 'bind', '0000:03:00.0', '--sysroot', sysroot],
      64,
      /^qemu-rt: 'nics bind' changes this host alone, never a captured one: --sysroot .*\n$/,
    ],
    [
      ['domain', 'plan', '/does/not/exist'],
      65,
      /^qemu-rt: the domain's XML cannot be read: \/does\/not\/exist \(ENOENT\); .* virsh dumpxml DOMAIN \| qemu-rt domain plan - .*\n$/,
    ],
    [
      ['domain', 'native', `${root}package.json`],
      65,
      /^qemu-rt: this is not a domain's XML: .*package\.json:1: .*\n$/,
    ],
    [
      ['status', '--domain', 'nope'],
      69,
      /^qemu-rt: no (running )?VM 'nope' is .*: (none is running|these are: .*)\n$/,
    ],
    [['nicks'], 64, /^qemu-rt: unknown command 'nicks'; did you mean nics\?\n$/],
    [['nics', 'bind'], 64, /^qemu-rt: missing required argument 'name'; see --help\n$/],
    [
      ['nics', 'list', 'x'],
      64,
      /^qemu-rt: too many arguments for 'list'\. Expected 0 arguments but got 1; see --help\n$/,
    ],
    [
      ['host', 'check', '--sysroot', sysroot, '--config', config, '--config', config],
      64,
      /^qemu-rt: given more than once: --config; see --help\n$/,
    ],
    [
      ['jitter', '--seconds', '1', 'diff', 'a', 'b'],
      64,
      /^qemu-rt: 'jitter diff' has no option '--seconds'; see --help\n$/,
    ],
    [['jitter', 'diff', 'a', 'b', '--vcpus', '2'], 64, /^qemu-rt: 'jitter diff' has no option '--vcpus'; /],
    [['nics', 'all'], 64, /^qemu-rt: unknown command 'all'; see --help\n$/],
    [
      ['nics', 'list', '--format', 'xml'],
      64,
      /^qemu-rt: unknown format 'xml': --format; use one of text, json\n$/,
    ],
    [['jitter', '--accel', 'a. b'], 64, /^qemu-rt: unknown accel 'a\. b': --accel; use one of kvm, tcg\n$/],
    [['export', 'xml'], 64, /^qemu-rt: unknown format 'xml'; use one of nova-provider, .*, nfd\n$/],
    [
      ['golden', 'verify', '/does/not/exist'],
      65,
      /^qemu-rt: no golden case found: \/does\/not\/exist \(it is not there\); a case is .*\n$/,
    ],
    [
      ['domain', 'plan', 'LICENSE'],
      65,
      /^qemu-rt: this is not a domain's XML: LICENSE:\d+: [^;]*[^.;]; give .*\n$/,
    ],
    [['run', '-S'], 64, /^qemu-rt: 'run' needs '--'.*\n$/],
  ]
  for (const [args, status, stderr] of cases)
    t.match(run(...args), { status, stderr, stdout: '' }, args.join(' '))
})

t.test('golden verify counts, and fails when a case differs', async (t) => {
  const directory = t.testdir({
    good: { 'input.args': '/usr/bin/qemu-system-x86_64 -S\n', 'expected.error': '' },
  })
  t.match(run('golden', 'verify', directory), {
    status: 65,
    stdout: /FAIL good[\s\S]*\n0 passed, 1 failed\n$/,
  })
  t.match(run('golden', 'update', directory), {
    status: 0,
    stdout: /^updated good: expected\.args, expected\.json, expected\.error\n$/,
  })
  t.match(run('golden', 'verify', directory), { status: 0, stdout: '1 passed, 0 failed\n' })
})

t.test('a reader that has seen enough is no error', async (t) => {
  const command = `"$0" nics list --sysroot "$1"; echo $? >&2`
  const enough = runSync([
    ...['sh', '-c', `{ ${command}; } | true`, `${root}bin/qemu-rt`, `${root}fixtures/hosts/sriov`],
  ])
  t.match(enough.stderr, /^(0|141)\n$/)
})

t.test('nics scan saves what is there, and a NIC is found by it when vfio-pci has it', async (t) => {
  const host = join(t.testdir({}), 'host')
  cpSync(sysroot, host, { recursive: true, verbatimSymlinks: true })
  rmSync(join(host, 'var'), { recursive: true })
  const scan = () => run('nics', 'scan', '--sysroot', host)
  t.match(scan(), {
    status: 0,
    stdout: `3 NICs with an interface: saved in ${host}/var/lib/qemu-rt/nics.json\n`,
    stderr: '',
  })
  const saved = JSON.parse(readFileSync(join(host, 'var/lib/qemu-rt/nics.json'), 'utf8'))
  t.match(saved, {
    version: 1,
    devices: [
      { address: '0000:00:1f.6', interfaces: [{ name: 'eno1' }] },
      { address: '0000:03:00.0', interfaces: [{ name: 'ens1f0', mac: 'a0:36:9f:12:34:54' }] },
      { address: '0000:03:00.1' },
    ],
  })
  // vfio-pci takes the first port of the card: its interface goes.
  const device = join(host, 'sys/bus/pci/devices/0000:03:00.0')
  rmSync(join(device, 'net'), { recursive: true })
  rmSync(join(host, 'sys/class/net/ens1f0'))
  t.match(scan().stdout, '2 NICs with an interface, 1 remembered that have none now')
  t.match(run('nics', 'show', 'a0:36:9f:12:34:54', '--sysroot', host).stdout, /address +0000:03:00\.0/)
  rmSync(join(host, 'sys/class/net/ens1f1'))
  rmSync(join(host, 'sys/bus/pci/devices/0000:03:00.1/net'), { recursive: true })
  t.match(scan().stdout, '1 NIC with an interface, 2 remembered that have none now')
})
