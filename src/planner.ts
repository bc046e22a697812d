import { dirname } from 'node:path'
import { start } from './entry.js'
import { launch } from './launch/launch.js'

/**
 * The executable, which starts quickly because it holds the launch alone. Everything else is in the bundle beside it,
 * which takes the same words: with that in it too a launch took a tenth longer.
 */
const bundle = async () => {
  const path = `${dirname(process.execPath)}/qemu-rt.mjs`
  await import(path)
}

start({ launch, report: bundle, tuner: bundle, cli: bundle })
