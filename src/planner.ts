import { start } from './entry.js'
import { launch } from './launch/launch.js'
import { directoryOf } from './units/path.js'

/**
 * The executable, which starts quickly because it holds only what a launch takes: planner and tuner. Everything else is in the bundle beside it,
 * which takes the same words: with that in it too a launch took a tenth longer.
 */
const bundle = async () => {
  const path = `${directoryOf(process.execPath)}/qemu-rt.mjs`
  await import(path)
}

start({
  launch,
  report: bundle,
  tuner: async (args) => (await import('./tune/run.js')).runTuner(args),
  cli: bundle,
})
