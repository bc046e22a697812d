import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { needs, unmet } from '../e2e/needs.js'
import { launcherForAll, plannerForms, start } from './launcher.js'

// What a domain's XML may not say to the wrapper, which runs as libvirt's QEMU user then, with or without the hook.

const UUID = 'c1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'
const OTHER_UUID = 'd1b6c8a4-5d8e-4a9b-9d4c-6f5e4d3c2b1a'

/** As libvirt begins a command line, `<qemu:arg>` comes last. */
const IDENTITY = ['-name', 'guest=plc-1,debug-threads=on', '-S', '-machine', 'q35', '-uuid', UUID]
const SOCKET = ['-chardev', 'socket,id=charmonitor,fd=20,server=on,wait=off']
const MONITOR = [...SOCKET, '-mon', 'chardev=charmonitor,id=monitor,mode=control']
/** From libvirt 12.8 on, seen with QEMU 11.1. */
const NEWER_MONITOR = [
  ...SOCKET,
  ...['-object', '{"qom-type":"monitor-qmp","id":"monitor","chardev":"charmonitor"}'],
]

const NOBODY = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']

interface Said {
  readonly env?: Readonly<Record<string, string>>
  readonly args?: readonly string[]
  /** The launcher's line, without its name. */
  readonly refusal: string
  /** Whether it stays refused when no libvirt made the command line, or root gives it. */
  readonly always?: true
}

interface Site {
  readonly entry: string
  readonly emulator: string
  readonly config: string
  /** A `-readconfig` file with another guest's name. */
  readonly named: string
  readonly sysroot: string
}

/** The built launcher, and files of root's, where any user can get at them. */
function makeSite(t: Test): Site {
  const entry = launcherForAll(t)
  const root = join(entry, '../..')
  const [emulator, config] = [join(root, 'emulator'), join(root, 'other.toml')]
  writeFileSync(emulator, '#!/bin/sh\necho started\n')
  chmodSync(emulator, 0o755)
  writeFileSync(config, '')
  const named = join(root, 'vm.cfg')
  writeFileSync(named, '[name]\n  guest = "plc-2"\n')
  return { entry, emulator, config, named, sysroot: join(root, 'bin') }
}

/** What is refused, by what says it. */
function refused({ emulator, config, named, sysroot }: Site): Readonly<Record<string, Said>> {
  const ofConfig = `a configuration elsewhere (QEMU_RT_CONFIG, --rt-config) is not for a domain's XML to say: ${config}; name one below /etc/qemu-rt/, or none`
  const ofSysroot = `a sysroot (QEMU_RT_SYSROOT, --rt-sysroot) is not for a domain's XML to say: ${sysroot}; take it out; it is for dry runs`
  const ofEmulator = `another emulator (QEMU_RT_EMULATOR, --rt-emulator) is not for a domain's XML to say: ${emulator}; name one that root has in [emulators] of /etc/qemu-rt/qemu-rt.toml, or none`
  return {
    QEMU_RT_CONFIG: { env: { QEMU_RT_CONFIG: config }, refusal: ofConfig },
    '--rt-config': { args: ['--rt-config', config], refusal: ofConfig },
    QEMU_RT_SYSROOT: { env: { QEMU_RT_SYSROOT: sysroot }, refusal: ofSysroot },
    '--rt-sysroot': { args: ['--rt-sysroot', sysroot], refusal: ofSysroot },
    QEMU_RT_EMULATOR: { env: { QEMU_RT_EMULATOR: emulator }, refusal: ofEmulator },
    '--rt-emulator': { args: ['--rt-emulator', emulator], refusal: ofEmulator },
    'QEMU_RT_EMULATOR, where no guest is started,': {
      env: { QEMU_RT_EMULATOR: emulator },
      args: ['-version'],
      refusal: ofEmulator,
    },
    'a second -uuid': {
      args: ['-uuid', OTHER_UUID],
      refusal: `-uuid says that this is another domain: '${UUID}' and '${OTHER_UUID}'; take -uuid out of <qemu:commandline>`,
      always: true,
    },
    'a second -name': {
      args: ['-name', 'plc-2'],
      refusal: `-name says that this is another domain: 'plc-1' and 'plc-2'; take -name out of <qemu:commandline>`,
      always: true,
    },
    'a second name in a -readconfig file': {
      args: ['-readconfig', named],
      refusal: `-name says that this is another domain: 'plc-1' and 'plc-2'; take -name out of <qemu:commandline>`,
      always: true,
    },
  }
}

t.test("the wrapper refuses what is not for a domain's XML to say, as libvirt's QEMU user", async (t) => {
  if (process.getuid?.() !== 0) return void unmet(t, 'this needs root, to become another user')
  if (!needs(t, ['setpriv'])) return
  const site = makeSite(t)
  const form = plannerForms().at(-1)
  const launch = async (
    prefix: readonly string[],
    { env = {}, args = [] }: Partial<Said>,
    made = MONITOR,
  ) => {
    const { code, stdout, stderr } = await start(t, site.entry, {
      prefix,
      args: [...IDENTITY, ...made, ...args],
      env: { ...form?.env, QEMU_RT_EMULATOR: '', ...env },
    })
    return { code, stdout, stderr }
  }
  const started = { code: 0, stdout: 'started\n', stderr: '' }
  for (const [name, said] of Object.entries(refused(site))) {
    const refusal = { code: 77, stdout: '', stderr: `qemu-rt: ${said.refusal}\n` }
    t.strictSame(await launch(NOBODY, said), refusal, `${name} of a domain`)
    t.strictSame(await launch(NOBODY, said, NEWER_MONITOR), refusal, `${name} of a newer libvirt's domain`)
    const other = said.always ? refusal : started
    // In QEMU's place, which has no monitor to open.
    const free = { ...said, env: { QEMU_RT_EMULATOR: site.emulator, ...said.env } }
    t.strictSame(await launch(NOBODY, free, []), other, `${name} of a user`)
    t.strictSame(await launch([], free), other, `${name} of root`)
    const dry = await launch(NOBODY, { ...said, env: { QEMU_RT_DRY_RUN: '1', ...said.env } })
    t.match(dry, said.always ? refusal : { code: 0, stderr: '' }, `${name} in a dry run`)
  }
})
