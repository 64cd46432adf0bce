// Single values of the config, read wherever they stand: names, lengths of time, sizes, hosts, CIDRs, header values.

import { parseAddress, parseCidr } from '../wire/address.ts'
import { type Findings, type Place, show } from './findings.ts'
import { isFieldValue, isToken, nameProblem, readHostname } from './tokens.ts'
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

/** Of listeners, pools, routes, rules, variants and endpoints. */
export function checkName(name: string, place: Place, what: string, findings: Findings): void {
  const problem = nameProblem(name)
  if (problem === undefined) return
  findings.error('bad-name', place, `the ${what} name ${show(name)} ${problem}`, 'Write a name such as app or app-v2.')
}

/** Hostnames in the form in which they are compared, each once; `*.` may stand in front. */
export function readHostnames(
  texts: readonly string[] | undefined,
  place: Place,
  findings: Findings,
): readonly string[] {
  const hostnames = (texts ?? []).map(
    (text, index) => readHostname(text) ?? notHostname(text, [...place, index], findings),
  )
  return [...new Set(hostnames)]
}

/** One hostname without wildcard. */
export function readHost(text: string, place: Place, findings: Findings): string {
  return (text.startsWith('*') ? undefined : readHostname(text)) ?? notHostname(text, place, findings)
}

function notHostname(text: string, place: Place, findings: Findings): string {
  const mend = `Write a name such as ${suggestHostname(text)}, without scheme, port or path.`
  findings.error('bad-hostname', place, `${show(text)} is not a hostname`, mend)
  return text
}

/** What a URL parser makes of it: the name alone, other scripts in their ASCII form. */
function suggestHostname(text: string): string {
  const plain = text.replace(/^\*\./, '')
  const withScheme = /^[a-z]+:\/\//i.test(plain) ? plain : `http://${plain}`
  const host = text.length <= 300 && URL.canParse(withScheme) ? new URL(withScheme).hostname : ''
  return (readHostname(host) !== undefined && host) || 'app.example.com or *.example.com'
}

/** CIDRs in canonical form. */
export function readCidrs(input: string | readonly string[] | undefined, place: Place, findings: Findings): string[] {
  const texts: readonly string[] = typeof input === 'string' ? [input] : (input ?? [])
  return texts.map((text, index) => {
    const cidr = parseCidr(text)
    const here = typeof input === 'string' ? place : [...place, index]
    if (cidr !== undefined) {
      const written = parseAddress(text.split('/')[0]!)
      if (written?.words.some((word, i) => word !== cidr.words[i])) {
        const message = `${show(text)} has bits beyond its prefix: it means ${cidr.text}`
        findings.warning(
          'cidr-host-bits',
          here,
          message,
          `Write ${cidr.text}, or ${written.text} for that one address.`,
        )
      }
      return cidr.text
    }
    findings.error(
      'bad-cidr',
      here,
      `${show(text)} is not an address or CIDR`,
      'Write one such as 10.0.0.0/8 or 2001:db8::/32.',
    )
    return text
  })
}

/** Milliseconds; the default where nothing is written or it cannot be read. */
export function readDuration(
  text: string | undefined,
  otherwise: string,
  [min, max]: readonly [number, number],
  place: Place,
  findings: Findings,
): number {
  const ms = parseDuration(text ?? otherwise)
  if (ms === undefined) {
    findings.error(
      'bad-duration',
      place,
      `${show(text)} is not a length of time`,
      'Write one such as "250ms", "2s", "5m", "1h" or "30d".',
    )
    return parseDuration(otherwise)!
  }
  if (ms >= min && ms <= max) return ms
  const mend = `Write a time from ${formatDuration(min)} to ${formatDuration(max)}.`
  findings.error('out-of-range', place, `${show(text)} is out of bounds`, mend)
  return parseDuration(otherwise)!
}

/** Bytes; the default where nothing is written or it cannot be read. */
export function readSize(
  text: string | undefined,
  otherwise: string,
  [min, max]: readonly [number, number],
  place: Place,
  findings: Findings,
): number {
  const bytes = parseSize(text ?? otherwise)
  if (bytes === undefined) {
    findings.error(
      'bad-size',
      place,
      `${show(text)} is not a size`,
      'Write one such as "512B", "64KiB", "10MiB" or "1GiB".',
    )
  } else if (bytes < min || bytes > max) {
    const mend = `Write a size from ${formatSize(min)} to ${formatSize(max)}.`
    findings.error('out-of-range', place, `${show(text)} is out of bounds`, mend)
  } else return bytes
  return parseSize(otherwise)!
}

export function checkHeaderName(name: string, place: Place, findings: Findings): void {
  if (isToken(name)) return
  findings.error(
    'bad-header-name',
    place,
    `${show(name)} is not the name of a header field`,
    'Write letters, digits and dashes: x-canary.',
  )
}

export function checkCookieName(name: string, place: Place, findings: Findings): void {
  if (isToken(name)) return
  findings.error(
    'bad-cookie-name',
    place,
    `${show(name)} is not the name of a cookie`,
    'Write letters, digits, dashes and underscores: fs_id.',
  )
}

export function checkFieldValue(value: string, place: Place, findings: Findings): void {
  if (isFieldValue(value)) return
  const mend = 'Leave out line breaks and other control characters, and write other scripts percent-encoded.'
  findings.error('bad-header-value', place, `${show(value)} cannot be the value of a header field`, mend)
}
