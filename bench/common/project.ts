import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseCommandText } from '../../src/argv/command-text.js'
import { DEFAULT_CONFIG_PATH } from '../../src/config/policy.js'
import { undoneOnExit } from './undo.js'

/** The checkout: what runs is bundled into dist/, one level below it. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url))

export const LAUNCHER = join(ROOT, 'bin/qemu-rt')
export const EMULATOR_ENTRY = join(ROOT, 'bin/qemu-rt-system-x86_64')

/**
 * Puts the launcher into a directory as install.sh does: it knows where the planner is, and does not look for a checkout.
 * @returns path of libvirt's entry
 */
export function installLauncher(directory: string): string {
  const bin = join(directory, 'bin')
  const launcher = readFileSync(LAUNCHER, 'utf8').replace(/^qemu_rt_lib=.*$/m, `qemu_rt_lib=${ROOT}dist`)
  mkdirSync(bin)
  writeFileSync(join(bin, 'qemu-rt'), launcher, { mode: 0o755 })
  symlinkSync('qemu-rt', join(bin, 'qemu-rt-system-x86_64'))
  return join(bin, 'qemu-rt-system-x86_64')
}

/** What libvirtd has, and nothing of whoever runs this. */
export const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** Has the launcher pass the executable over. */
export const WITH_NODE = { QEMU_RT_PLANNER_RUNTIME: 'node' }

/** Runs something with a directory of its own, which goes afterwards. */
export async function withScratch<T>(run: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-bench-'))
  const remove = undoneOnExit(() => rmSync(directory, { recursive: true, force: true }))
  try {
    return await run(directory)
  } finally {
    remove()
  }
}

/**
 * For the environment of a launch without a configuration: on a machine that has one an empty one stands in.
 * @param scratch a directory, which may get it
 */
export function withoutConfiguration(scratch: string): Record<string, string> {
  if (!existsSync(DEFAULT_CONFIG_PATH)) return {}
  const config = join(scratch, 'empty.toml')
  writeFileSync(config, '')
  return { QEMU_RT_CONFIG: config }
}

/** The arguments of a domain that libvirt has made a command line of: bench/launch/domain.xml. */
export function libvirtArguments(): readonly string[] {
  const text = readFileSync(join(ROOT, 'bench/launch/qemu.args'), 'utf8').replaceAll('\\\n', '')
  const command = parseCommandText(text)
  if (command === null) throw new Error('bench/launch/qemu.args is no command')
  return command.args
}

export function isRoot(): boolean {
  return process.getuid?.() === 0
}
