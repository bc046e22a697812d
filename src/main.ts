import { losslessArguments } from './argv/bytes.js'
import { EXIT, UserError } from './errors/user-error.js'
import { launchText } from './launch/launch.js'
import { report, writeAll } from './report/output.js'

/**
 * Called by the launcher: `launch ENTRY ARGS…` prints the line of sh to become QEMU, `report ENTRY ARGS…` prints a dry
 * run, `cli ARGS…` is every other command. The launch path loads nothing of the other two.
 */
async function main(): Promise<void> {
  const [mode, ...args] = losslessArguments(process.argv.slice(2))
  const [entry = 'qemu-rt', ...rest] = args
  const invocation = { entry, args: rest, env: process.env, hostArch: process.arch }
  if (mode === 'launch') writeAll(1, launchText(invocation))
  else if (mode === 'report') (await import('./commands/report.js')).reportDryRun(invocation)
  else if (mode === 'cli') await (await import('./commands/cli.js')).runCli(args)
  else {
    report(`'${mode ?? ''}' is not how the launcher calls this program; use bin/qemu-rt`)
    process.exitCode = EXIT.usage
  }
}

main().catch((error: unknown) => {
  if (error instanceof UserError) {
    report(error.message)
    process.exitCode = error.exitCode
    return
  }
  const detail = error instanceof Error ? error.message : String(error)
  report(`internal error: ${detail}; please report it, with what QEMU_RT_DEBUG=1 adds`)
  if (process.env.QEMU_RT_DEBUG && error instanceof Error) console.error(error.stack)
  process.exitCode = EXIT.software
})
