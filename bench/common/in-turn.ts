/**
 * Measures several forms in turn, as often as there are rounds, so that what disturbs the machine disturbs all of them. Who
 * begins goes round. The first round does not count: it finds nothing in any cache.
 * @returns the samples of each form, in the order of `forms`
 */
export async function inTurn<T, S>(
  forms: readonly T[],
  rounds: number,
  measure: (form: T) => Promise<S>,
): Promise<S[][]> {
  const samples: S[][] = forms.map(() => [])
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < forms.length; turn++) {
      const index = (round + turn) % forms.length
      const form = forms[index]
      if (form === undefined) continue
      const sample = await measure(form)
      if (round > 0) samples[index]?.push(sample)
    }
  }
  return samples
}
