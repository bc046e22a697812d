import { existsSync, lstatSync, rmSync } from 'node:fs'
import { checkSocket, type VhostUserSocket, vhostUserNetdev } from './port.js'
import type { Wire } from './run.js'
import type { SwitchPlan } from './switch-plan.js'
import { startTestpmd } from './testpmd.js'

/** Thread of a switch that polls; where the user's own runs is not known. */
const switchThread = (cpu: number | null) => ({ what: 'the switch', cpus: cpu === null ? null : [cpu] })

/** testpmd between the guests, started and ended with them. */
export function testpmdWire(plan: SwitchPlan): Wire {
  return {
    start: async ({ directory, children }) => {
      const { sockets, checkRuns } = await startTestpmd(plan, directory, children)
      const [sender, echo] = sockets.map((path) => vhostUserNetdev({ path, madeBy: 'switch' }))
      return {
        netdevs: { sender: sender ?? [], echo: echo ?? [] },
        switch: plan,
        busy: [switchThread(plan.pollCpu)],
        checkRuns,
      }
    },
  }
}

/** A switch that runs already, or connects later. */
export function socketsWire(sender: VhostUserSocket, echo: VhostUserSocket): Wire {
  return {
    start: async ({ atEnd }) => {
      for (const socket of [sender, echo]) {
        checkSocket(socket)
        const { path, madeBy } = socket
        // QEMU is ended in a way that lets it tidy nothing up.
        if (madeBy === 'qemu' && !existsSync(path)) atEnd(() => removeSocket(path))
      }
      return {
        netdevs: { sender: vhostUserNetdev(sender), echo: vhostUserNetdev(echo) },
        switch: null,
        busy: [switchThread(null)],
        checkRuns: () => {},
      }
    },
  }
}

/** Who owns the directory may have put something else there meanwhile. */
function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path, { force: true })
}
