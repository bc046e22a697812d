import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CommandText, parseCommandText } from '../argv/command-text.js'

/**
 * Has libvirt make QEMU's command line for a domain (`virsh domxml-to-native`).
 * @returns the command, or in one line why there is none
 */
export async function nativeCommand(xml: string): Promise<CommandText | string> {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-'))
  try {
    const file = join(directory, 'domain.xml')
    writeFileSync(file, xml)
    const { failure, stdout } = await virsh(['domxml-to-native', 'qemu-argv', '--xml', file])
    if (failure !== null) return failure
    return parseCommandText(stdout) ?? 'what virsh printed does not parse'
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function virsh(args: readonly string[]) {
  return new Promise<{ readonly failure: string | null; readonly stdout: string }>((resolve) => {
    const command = ['--connect', 'qemu:///system', ...args]
    const env = { ...process.env, LC_ALL: 'C' }
    execFile('virsh', command, { encoding: 'utf8', env, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
      resolve({ failure: error === null ? null : describe(error, stderr), stdout })
    })
  })
}

function describe(error: Error, stderr: string): string {
  if ('code' in error && error.code === 'ENOENT') return 'virsh is not installed'
  // The last line is the cause; those before say what was tried.
  const lines = stderr.trim().split('\n')
  return (lines.at(-1) ?? error.message).replace(/^error: /, '')
}
