/**
 * The directory that a file is in, as dirname(3) has it for a path that does not end in a slash. Loading node:path would
 * take the executable 0.7 ms of every launch.
 */
export function directoryOf(path: string): string {
  const slash = path.lastIndexOf('/')
  return slash < 0 ? '.' : path.slice(0, slash) || '/'
}

/** A path without the slashes at its end; `/` becomes the empty text. A regular expression would try each slash of a row. */
export function withoutEndSlashes(path: string): string {
  let end = path.length
  while (path.charAt(end - 1) === '/') end--
  return path.slice(0, end)
}

/** Whether a path is that of a terminal, by its name. */
export function isTerminalPath(path: string): boolean {
  return /^\/dev\/(pts\/|tty|console)/.test(path)
}
