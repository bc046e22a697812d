import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CommandText, parseCommandText } from '../argv/command-text.js'
import { type Ended, runCommand } from '../host/command.js'

/**
 * Has libvirt make QEMU's command line for a domain (`virsh domxml-to-native`).
 * @returns the command, or in one line why there is none
 */
export async function nativeCommand(xml: string): Promise<CommandText | string> {
  const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-'))
  try {
    const file = join(directory, 'domain.xml')
    writeFileSync(file, xml)
    const command = ['virsh', '--connect', 'qemu:///system', 'domxml-to-native', 'qemu-argv', '--xml', file]
    const ended = await runCommand(command, { env: { ...process.env, LC_ALL: 'C' }, maxBuffer: 2 ** 24 })
    if (ended.failure !== null) return describe(ended.failure, ended)
    return parseCommandText(ended.stdout) ?? 'what virsh printed does not parse'
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

function describe(failure: string, { isMissing }: Ended): string {
  if (isMissing) return 'virsh is not installed'
  // The last line is the cause; those before say what was tried.
  return (failure.split('\n').at(-1) ?? '').replace(/^error: /, '')
}
