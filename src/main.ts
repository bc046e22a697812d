import { start } from './entry.js'
import { launch } from './launch/launch.js'

/**
 * The whole program, for Node: `launch ENTRY ARGS…` prints the sh text to become QEMU, `report ENTRY ARGS…` prints a
 * dry run, `tuner PID` sets a QEMU's threads, `hook NAME OPERATION SUBOPERATION` does what libvirt's hook has to, `cli
 * ARGS…` is every other command. A launch loads nothing of the others.
 */
start({
  launch,
  report: async (args) => (await import('./commands/report.js')).reportDryRun(args),
  hook: async (args) => (await import('./commands/hook.js')).hookCommand(args),
  tuner: async (args) => (await import('./tune/run.js')).runTuner(args),
  cli: async (args) => (await import('./commands/cli.js')).runCli(args),
})
