import { run } from '../host/program.js'
import { printableMessage } from '../units/printable.js'

/** Writes a line into the system's log: libvirt drops what a hook says that does not fail, and a tuner may have no stderr. */
export async function logToSystem(message: string): Promise<void> {
  await run(['logger', '--tag', 'qemu-rt', '--', printableMessage(message)])
}
