import { start } from './entry.js'
import { launch } from './launch/launch.js'
import { directoryOf } from './units/path.js'

/**
 * The executable, which starts quickly because it holds only what has to be quick: planner, tuner and hook. Everything
 * else is in the bundle beside it, which takes the same words.
 */
const bundle = async () => {
  const path = `${directoryOf(process.execPath)}/qemu-rt.mjs`
  await import(path)
}

/** In the executable, too, but a module of its own (build.mjs): with it in one with the planner a launch took a tenth longer. */
const hook = async () => {
  const path = `${import.meta.dirname}/qemu-rt-hook.js`
  await import(path)
}

start({
  launch,
  report: bundle,
  hook,
  tuner: async (args) => (await import('./tune/run.js')).runTuner(args),
  cli: bundle,
})
