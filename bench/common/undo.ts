/**
 * Has something undone when this program exits, as it does by a signal, too.
 * @returns what undoes it before
 */
export function undoneOnExit(undo: () => void): () => void {
  process.once('exit', undo)
  return () => {
    process.off('exit', undo)
    undo()
  }
}
