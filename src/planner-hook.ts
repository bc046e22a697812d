import { hookCommand } from './commands/hook.js'
import { start } from './entry.js'

/** The executable's part for libvirt's hook, which planner.ts loads when it is asked for. */
start({ hook: hookCommand })
