import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { Test } from 'tap'
import { hasEnded, stopChild } from './launch.js'
import { waitFor } from './wait.js'

/** A poll-mode switch with one vhost-user port. */
export interface Switch {
  /** Packets it has received so far. */
  readonly received: () => Promise<number>
  readonly stop: () => Promise<void>
}

/**
 * Starts DPDK's testpmd as a vhost-user back end without huge pages or PCI devices, and waits until it is ready. It takes
 * the CPUs 0 and 1, of which it keeps one busy; it is stopped when the test ends.
 * @param mode `server`: it makes the socket; `client`: it connects to QEMU's, now or later
 */
export async function startSwitch(
  t: Test,
  socket: string,
  mode: 'server' | 'client' = 'server',
): Promise<Switch> {
  const eal = ['--no-huge', '-m', '1024', '--no-pci', `--file-prefix=qemu-rt-${process.pid}`, '-l', '0-1']
  const port = ['--vdev', `net_vhost0,iface=${socket},queues=1,client=${mode === 'client' ? 1 : 0}`]
  const testpmd = ['-i', '--auto-start', '--total-num-mbufs=2048', '--forward-mode=rxonly']
  // stdbuf becomes testpmd, which would otherwise keep its answers back until there are 4 KiB.
  const command = ['-oL', 'dpdk-testpmd', ...eal, ...port, '--', ...testpmd]
  const child = spawn('stdbuf', command, { stdio: ['pipe', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  child.stdin.on('error', () => {})
  const ready = () => {
    if (hasEnded(child))
      throw new Error(`the switch ended (${child.exitCode ?? child.signalCode}): ${output}`)
    return (mode === 'client' || existsSync(socket)) && output.includes('testpmd>')
  }
  const stop = () => stopChild(child)
  t.teardown(stop)
  await waitFor('the switch', 30, ready)
  return {
    stop,
    received: async () => {
      const seen = output.length
      child.stdin.write('show port stats all\n')
      const counted = await waitFor("the switch's statistics", 10, () =>
        /RX-packets: (\d+)/.exec(output.slice(seen)),
      )
      return Number(counted[1])
    },
  }
}
