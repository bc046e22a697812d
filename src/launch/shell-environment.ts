import { readFileSync } from 'node:fs'

/** Variables that a shell exports by itself: PWD every one (dash: cd.c, setpwd), the others bash. */
const SHELLS_OWN = ['PWD', 'OLDPWD', 'SHLVL']

/**
 * Says which variables the launcher's shell has added to its environment, so that QEMU is not to get them. The
 * environment that the launcher was started with is in /proc/PID/environ, whatever it exports later (proc(5)).
 * @param env this process's environment, which is the shell's
 * @param launcher PID of the launcher, or of the subshell that it forked for `$(…)`
 */
export function shellsOwnVariables(
  env: Readonly<Record<string, string | undefined>>,
  launcher: number,
): string[] {
  const added = SHELLS_OWN.filter((name) => env[name] !== undefined)
  if (added.length === 0) return []
  const given = readEnvironment(launcher)
  return given === null
    ? []
    : added.filter((name) => !given.some((assignment) => assignment.startsWith(`${name}=`)))
}

function readEnvironment(pid: number): string[] | null {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'latin1').split('\0')
  } catch {
    // A /proc that hides other processes (hidepid): a variable too many is better than a start that fails.
    return null
  }
}
