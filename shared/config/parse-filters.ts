// What a rule does to messages, and the answers it gives itself: header edits, rewrites, redirects, replies.

import type { FiltersInput, HeaderEditsInput, RedirectInput, ReplyInput } from './config-http.ts'
import { defaults } from './defaults.ts'
import { didYouMean, type Findings, listNames, type Place, show } from './findings.ts'
import { nearest } from './near.ts'
import { checkPath, readPrefix } from './parse-match.ts'
import type { Filters, HeaderEdits, HttpMatchConfig, RedirectConfig, ReplyConfig } from './parsed.ts'
import { checkFieldValue, checkHeaderName, readHost } from './read-values.ts'
import { placeOfTemplate, templateNames } from './template.ts'
import { untouchable } from './tokens.ts'

export function readFilters(
  input: FiltersInput | undefined,
  matches: readonly HttpMatchConfig[],
  place: Place,
  findings: Findings,
): Filters {
  const { requestHeaders, responseHeaders, rewrite } = input ?? {}
  return {
    request: readEdits(requestHeaders, [...place, 'requestHeaders'], findings),
    response: readEdits(responseHeaders, [...place, 'responseHeaders'], findings),
    rewrite:
      rewrite &&
      readPathChange(rewrite, matches, [...place, 'rewrite'], rewrite.host === undefined, findings, ['host']),
    host: rewrite?.host === undefined ? undefined : readHost(rewrite.host, [...place, 'rewrite', 'host'], findings),
  }
}

function readEdits(input: HeaderEditsInput | undefined, place: Place, findings: Findings): HeaderEdits {
  const remove = input?.remove ?? []
  for (const [index, name] of remove.entries()) checkWritable(name, [...place, 'remove', index], findings)
  return {
    set: readFields(input?.set, true, [...place, 'set'], findings),
    add: readFields(input?.add, true, [...place, 'add'], findings),
    remove,
  }
}

function readFields(
  input: Readonly<Record<string, string>> | undefined,
  hasTemplates: boolean,
  place: Place,
  findings: Findings,
): (readonly [string, string])[] {
  const fields = Object.entries(input ?? {})
  const taken = new Set<string>()
  for (const [name, value] of fields) {
    const here = [...place, name]
    checkWritable(name, here, findings)
    checkFieldValue(value, here, findings)
    if (hasTemplates) checkTemplate(value, here, findings)
    if (taken.has(name.toLowerCase())) {
      const message = `${show(name)} is there already: header names are compared without case`
      findings.error('duplicate-name', here, message, 'Write each name once.')
    }
    taken.add(name.toLowerCase())
  }
  return fields
}

function checkWritable(name: string, place: Place, findings: Findings): void {
  checkHeaderName(name, place, findings)
  const why = untouchable(name)
  if (why !== undefined) findings.error('bad-header-name', place, `${show(name)} ${why}`, 'Leave it out.')
}

function checkTemplate(value: string, place: Place, findings: Findings): void {
  for (const [whole, name] of value.matchAll(new RegExp(placeOfTemplate, 'g'))) {
    if (templateNames.has(name!)) continue
    const all = listNames(templateNames.keys(), 'and')
    const mend = didYouMean(nearest(name!, templateNames.keys()), `The values are ${all}.`)
    findings.error('template-unknown', place, `nothing is known as ${whole} in a header value`, mend)
  }
}

/** `path` or `prefix`, not both; a prefix can only be replaced where one was matched. */
function readPathChange(
  input: { readonly path?: string; readonly prefix?: string },
  matches: readonly HttpMatchConfig[],
  place: Place,
  isRequired: boolean,
  findings: Findings,
  others: readonly string[] = [],
): Filters['rewrite'] {
  const { path, prefix } = input
  if (path !== undefined && prefix !== undefined) {
    findings.error('exactly-one', place, 'found "path" and "prefix"', 'Write one of "path" and "prefix".')
    return undefined
  }
  if (path !== undefined) {
    checkPath(path, [...place, 'path'], findings)
    return { kind: 'path', value: path }
  }
  if (prefix === undefined) {
    if (isRequired) {
      const all = listNames(['path', 'prefix', ...others])
      findings.error('exactly-one', place, `found none of ${all}`, `Write ${all}.`)
    }
    return undefined
  }
  const here = [...place, 'prefix']
  const other = matches.find(match => match.path.kind !== 'prefix')
  if (other !== undefined) {
    const message = `there is no prefix to replace: the rule matches the path by ${other.path.kind}`
    findings.error('prefix-without-match', here, message, 'Match by prefix, or write "path".')
  }
  return { kind: 'prefix', value: readPrefix(prefix, here, findings) }
}

export function readRedirect(
  input: RedirectInput,
  matches: readonly HttpMatchConfig[],
  place: Place,
  findings: Findings,
): RedirectConfig {
  const { scheme, host, port, status } = input
  const hostname = host === undefined ? undefined : readHost(host, [...place, 'host'], findings)
  if (Object.keys(input).every(key => key === 'status')) {
    const mend = 'Write at least one of "scheme", "host", "port", "path" and "prefix".'
    findings.error('empty-redirect', place, 'the redirect changes nothing: the client would come back for ever', mend)
  }
  return {
    scheme,
    host: hostname,
    port,
    path: readPathChange(input, matches, place, false, findings),
    status: status ?? defaults.redirectStatus,
  }
}

export function readReply(input: ReplyInput, place: Place, findings: Findings): ReplyConfig {
  const { status, body = '', contentType, headers } = input
  if (body !== '' && bodyless.includes(status)) {
    const message = `an answer with status ${status} has no body (RFC 9110 section 6.4.1)`
    findings.error('bad-status', [...place, 'status'], message, 'Leave the body out, or write status 200.')
  }
  const fields = readFields(headers, false, [...place, 'headers'], findings).map(
    ([name, value]) => [name.toLowerCase(), value] as const,
  )
  const hasType = fields.some(([name]) => name === 'content-type')
  if (contentType !== undefined) checkFieldValue(contentType, [...place, 'contentType'], findings)
  if (hasType && contentType !== undefined) {
    const message = '"content-type" is among the headers already'
    findings.error('duplicate-name', [...place, 'contentType'], message, 'Write it once.')
  }
  const type = contentType ?? (body === '' || hasType ? undefined : defaults.replyContentType)
  return { status, body, headers: type === undefined ? fields : [...fields, ['content-type', type]] }
}

const bodyless = [204, 205, 304]
