import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { domainXml } from '../e2e/domain-xml.js'
import { type Installed, install, needsLibvirt } from '../e2e/libvirtd.js'
import { temporaryDirectory } from '../launcher/launcher.js'
import { GOES_WELL, IN_A_FILE, launch, QEMU_ARGS, QEMU_USER } from './help/launch.js'
import { ONE_CPU } from './help/one-cpu.js'

// What was attacked and held, and is to hold.

const HOOK = '/etc/libvirt/hooks/qemu.d/qemu-rt'
const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const SECONDS = 15
const TIMED_OUT = 124

/** A directory in which everything that might be taken from it leaves a mark. @returns its path */
function trap(t: Test): string {
  const directory = temporaryDirectory(t)
  chmodSync(directory, 0o755)
  const mark = '/run/marked'
  const put = (path: string, text: string) => {
    mkdirSync(join(directory, path, '..'), { recursive: true })
    writeFileSync(join(directory, path), text)
    chmodSync(join(directory, path), 0o755)
  }
  const module = `require('node:fs').writeFileSync('${mark}', '')`
  put('.env', `QEMU_RT_PROFILE=marked\nQEMU_RT_DEBUG=1\nBASH_ENV=./mark.sh\n`)
  put('bunfig.toml', 'preload = ["./mark.cjs"]\n[run]\npreload = ["./mark.cjs"]\n')
  put('mark.cjs', module)
  for (const name of ['commander', 'smol-toml', 'valibot', 'fast-xml-parser', 'picomatch', 'pidusage']) {
    put(`node_modules/${name}/package.json`, `{"name":"${name}","main":"index.cjs"}`)
    put(`node_modules/${name}/index.cjs`, module)
  }
  put('package.json', '{"type":"module","imports":{"#x":"./mark.cjs"}}')
  for (const name of ['sh', 'node', 'flock', 'taskset', 'chrt', 'logger', 'readlink', 'qemu-system-x86_64'])
    put(name, `#!/bin/sh\n: >${mark}\n`)
  return directory
}

t.test('nothing is taken from the working directory', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: ONE_CPU })
  const directory = trap(t)
  const there = ['env', '--chdir', directory]
  const runtimes = { 'the executable': [], Node: ['env', 'QEMU_RT_PLANNER_RUNTIME=node'] }
  for (const [runtime, prefix] of Object.entries(runtimes)) {
    const qemuRt = (...args: string[]) => installed.run(...there, ...prefix, ...IN_A_FILE, 'qemu-rt', ...args)
    const launched = await qemuRt('run', '--profile', 'rt', '--', ...QEMU_ARGS)
    t.match(launched, { status: 0 }, `${runtime}: QEMU is started`)
    for (const command of [
      ['status'],
      ['tune', '--all'],
      ['nics', 'list'],
      ['host', 'check'],
      ['run', '--help'],
    ])
      await qemuRt(...command)
    await installed.run('sh', '-c', 'kill "$(pidof qemu-system-x86_64)"; sleep 0.5')
    const xml = domainXml('there', { emulator: installed.emulator })
    await installed.run(
      ...there,
      ...prefix,
      'sh',
      '-c',
      `printf "%s" "$1" | ${HOOK} there prepare begin -`,
      'sh',
      xml,
    )
    t.match(
      await installed.run('test', '-e', '/run/marked'),
      { status: 1 },
      `${runtime}: nothing of it was run`,
    )
  }
})

/**
 * Calls the hook as libvirt does, with a time limit.
 * @param xml @3MB@ in it is filled in: libvirt takes 4 MiB (libvirt 9.0, src/remote/remote_protocol.x, REMOTE_STRING_MAX)
 */
function hook({ run }: Installed, operation: string, xml: string, seconds = SECONDS) {
  const script = `timeout ${seconds} ${HOOK} vm ${operation} - </var/tmp/xml`
  const put = 'printf "%s" "$1" >/var/tmp/part; cat /var/tmp/part'
  // A long text is no argument.
  const repeat = xml.split('@3MB@')
  const fill = 'head -c 3145728 /dev/zero | tr "\\0" x'
  const make =
    repeat.length === 1 ? `{ ${put}; } >/var/tmp/xml` : `{ ${put}; ${fill}; printf "%s" "$2"; } >/var/tmp/xml`
  return run('sh', '-c', `${make}; ${script}`, 'sh', repeat[0] ?? '', repeat[1] ?? '')
}

t.test('XML that is made to take long, or to have root read something', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: ONE_CPU })
  await installed.run('sh', '-c', 'echo swordfish >/etc/secret; chmod 600 /etc/secret')
  const domain = domainXml('vm', { emulator: installed.emulator, metadata: '@inside@' }).replace(
    '<name>',
    `<uuid>${UUID}</uuid><name>`,
  )
  const laughs = [...'bcdefghij'].map((name, at) => {
    const before = `&${'abcdefghi'[at]};`
    return `<!ENTITY ${name} "${before.repeat(10)}">`
  })
  const texts: Readonly<Record<string, string>> = {
    'an entity bomb': `<!DOCTYPE domain [<!ENTITY a "x">${laughs.join('')}]>${domain.replace('@inside@', '&j;')}`,
    'an entity with a file': `<!DOCTYPE domain [<!ENTITY a SYSTEM "file:///etc/secret">]>${domain.replace('@inside@', '<r:request xmlns:r="urn:qemu-rt:request" profile="&a;"/>')}`,
    '3 MB of text': domain.replace('@inside@', '<x>@3MB@</x>'),
    '3 MB in an attribute': domain.replace('@inside@', "<x a='@3MB@'/>"),
  }
  for (const [what, xml] of Object.entries(texts)) {
    const { status, stderr } = await hook(installed, 'prepare begin', xml)
    t.ok(
      status !== null && status !== TIMED_OUT && status < 128,
      `${what}: the hook ends by itself (${status})`,
    )
    t.notMatch(stderr, 'swordfish', `${what}: nothing is read out`)
    t.equal(
      (await hook(installed, 'release end', xml)).status,
      0,
      `${what}: and at the end of a VM ends well`,
    )
  }
})

t.test('names that JavaScript knows are names that nobody has given', async (t) => {
  if (!needsLibvirt(t)) return
  const { run } = await install(t, { config: ONE_CPU })
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    const profile = await run('qemu-rt', 'run', '--dry-run', '--profile', name, '--', '-machine', 'pc')
    t.match(profile, { status: 78, stderr: `profile '${name}'` }, `profile ${name}`)
    const nic = await run('qemu-rt', 'run', '--dry-run', '--nic', name, '--', '-machine', 'pc')
    t.match(nic, { status: 69, stderr: `'${name}'` }, `NIC ${name}`)
    t.match(await run('qemu-rt', name), { status: 64 }, `command ${name}`)
  }
})

/** Calls the hook with the XML $1; just before it writes down what it has chosen, a launch by hand chooses, too. */
const BETWEEN = `
printf "%s" "$1" >/var/tmp/xml
strace -f -o /dev/null -e trace=rename,renameat,renameat2 -e inject=rename,renameat,renameat2:delay_enter=5000000 \\
  ${HOOK} vm prepare begin - </var/tmp/xml >/var/tmp/said 2>&1 &
hook=$!
until ls /run/qemu-rt/vms/*.new >/dev/null 2>&1; do sleep 0.05; done
out=0
qemu-rt run --profile rt -- -name by-hand ${QEMU_ARGS.join(' ')} >/dev/null 2>&1 </dev/null || out=$?
code=0
wait $hook || code=$?
echo "hook $code, by hand $out"
cat /run/qemu-rt/vms/*.json`

t.test("a CPU is not given twice by the hook and by root's launch at the same moment", async (t) => {
  if (!needsLibvirt(t, ['strace'])) return
  const { run, emulator } = await install(t, { config: ONE_CPU })
  const metadata = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'
  const xml = domainXml('vm', { emulator, metadata }).replace('<name>', `<uuid>${UUID}</uuid><name>`)
  const { stdout } = await run('sh', '-c', BETWEEN, 'sh', xml)
  t.match(stdout, /^hook 0, by hand 0\n/, 'the wrapper says it in place of the hook')
  t.match(stdout, /"lease":null.*"refusal":\{"exitCode":69,"text":"vCPUs need 1 CPU; .*\(1 held by /)
})

/** Launches, and kills the planner after $1 tenths of a millisecond, and whatever came of it. */
const KILLED = `
qemu-rt run --profile rt -- -machine pc -accel tcg -m 16 -display none -nodefaults -S >/dev/null 2>&1 &
launcher=$!
sleep "$1"
read -r children </proc/$launcher/task/$launcher/children
kill -9 $children $launcher 2>/dev/null
wait $launcher`

t.test('a planner that is killed keeps nothing', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: ONE_CPU })
  for (let at = 0; at < 40; at++) await installed.run('sh', '-c', KILLED, 'sh', (0.002 * at).toFixed(3))
  const { status, stderr, seconds } = await launch(installed, SECONDS)
  t.match({ status, stderr }, { status: 0, stderr: GOES_WELL }, 'the next launch goes well')
  t.ok(seconds < 5, `after ${seconds} s`)
})

t.test('a hook that is killed keeps nothing', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: ONE_CPU })
  const metadata = '<r:request xmlns:r="urn:qemu-rt:request" profile="rt"/>'
  const xml = domainXml('vm', { emulator: installed.emulator, metadata }).replace(
    '<name>',
    `<uuid>${UUID}</uuid><name>`,
  )
  await installed.run('sh', '-c', 'printf "%s" "$1" >/var/tmp/xml', 'sh', xml)
  for (let at = 1; at <= 20; at++) {
    const limit = (0.004 * at).toFixed(3)
    const killed = `setsid timeout -s KILL ${limit} ${HOOK} vm prepare begin - </var/tmp/xml`
    await installed.run('sh', '-c', killed)
  }
  t.match(await hook(installed, 'prepare begin', xml), { status: 0, stderr: '' }, 'the next start goes well')
  t.match(await hook(installed, 'release end', xml), { status: 0, stderr: '' }, 'and its end')
  const { stdout } = await installed.run('grep', '-rl', UUID, '/run/qemu-rt')
  t.equal(stdout, '', 'and leaves nothing')
  t.match(await launch(installed, SECONDS), { status: 0 }, 'and what it needed is free')
})

t.test('100,000 lease files of another user keep nobody waiting', async (t) => {
  if (!needsLibvirt(t)) return
  const installed = await install(t, { config: ONE_CPU })
  const make = `own=/run/qemu-rt/leases/$(id -u); mkdir -p "$own"; cd "$own" &&
    seq 100000 | sed 's/.*/&-1-abcdefgh@1@.lease/' | xargs touch; ls | wc -l`
  t.equal((await installed.run(...QEMU_USER, 'sh', '-c', make)).stdout.trim(), '100000', 'they are there')
  const { status, seconds } = await launch(installed, SECONDS)
  t.equal(status, 0, `root's launch takes ${seconds} s`)
})
