import libraries from '../libraries.cjs'

/** Whether a text matches a glob, in which a star matches slashes too: names of domains and disks are not paths. */
export function matchesGlob(text: string, glob: string): boolean {
  // picomatch takes neither an empty glob nor an empty text.
  if (text === '' || glob === '') return text === glob || glob === '*'
  return libraries.picomatch().isMatch(text, glob, { bash: true, dot: true })
}
