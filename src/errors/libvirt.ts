import { EXIT, type UserError, userError } from './user-error.js'

/** `source`: file and line, or where else the text is from. */
export function badDomainXml(facts: { readonly source: string; readonly problem: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: "this is no domain's XML",
    where: `${facts.source}: ${facts.problem}`,
    todo: "give what 'virsh dumpxml' prints",
  })
}

/** What stands in our element of `<metadata>` is not understood. */
export function badMetadata(facts: { readonly problem: string }): UserError {
  return userError({
    exitCode: EXIT.input,
    what: 'the <request> in <metadata> is not understood',
    where: facts.problem,
    todo: "mend it with 'virsh metadata' or 'virsh edit'",
  })
}
