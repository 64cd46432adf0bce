// Dates as HTTP writes them.

/**
 * Milliseconds since 1970, or undefined for anything that is not a date of RFC 9110 section 5.6.7: the preferred form
 * (`Sun, 06 Nov 1994 08:49:37 GMT`) and the two obsolete ones, which recipients must read; names without case, as RFC 9111
 * section 4.2 wants of caches. A two-digit year more than 50 years ahead of `now` is of the century before.
 */
export function readHttpDate(value: string | null, now: number): number | undefined {
  if (value === null || value.length > longest) return undefined
  const preferred = preferredForm.exec(value)
  if (preferred !== null) return at(preferred[3]!, preferred[2]!, preferred[1]!, preferred[4]!)
  const older = rfc850Form.exec(value)
  if (older !== null) return at(fullYear(Number(older[3]!), now), older[2]!, older[1]!, older[4]!)
  const asctime = asctimeForm.exec(value)
  return asctime === null ? undefined : at(asctime[4]!, asctime[1]!, asctime[2]!, asctime[3]!)
}

/** The preferred form. */
export function writeHttpDate(ms: number): string {
  return new Date(ms).toUTCString()
}

function at(year: string, month: string, day: string, time: string): number | undefined {
  const [hours, minutes, seconds] = time.split(':').map(Number) as [number, number, number]
  const index = months.indexOf(month.toLowerCase())
  // A leap second is read as the second before it.
  const ms = Date.UTC(Number(year), index, Number(day), hours, minutes, Math.min(seconds, 59))
  const isReal = new Date(ms).getUTCDate() === Number(day) && hours < 24 && minutes < 60 && seconds < 61
  return isReal ? ms : undefined
}

function fullYear(twoDigits: number, now: number): string {
  const thisYear = new Date(now).getUTCFullYear()
  const year = thisYear - (thisYear % 100) + twoDigits
  return String(year > thisYear + 50 ? year - 100 : year)
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const month = `(${months.join('|')})`
const time = '(\\d{2}:\\d{2}:\\d{2})'
const preferredForm = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) ${month} (\\d{4}) ${time} GMT$`, 'i')
const rfc850Form = new RegExp(
  `^(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday), (\\d{2})-${month}-(\\d{2}) ${time} GMT$`,
  'i',
)
const asctimeForm = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${month} ([ \\d]\\d) ${time} (\\d{4})$`, 'i')
const longest = 40
