// Paths as an operator writes them in matches, rewrites, redirects and endpoint addresses: they have to be written as a
// request's path looks when it is compared, or they would never match.

/** What is wrong with a path, as the end of a sentence, or undefined. */
export function pathProblem(path: string): string | undefined {
  if (!path.startsWith('/')) return 'has to begin with /'
  if (path.length > LONGEST) return `is longer than ${LONGEST} characters`
  if (/[?#]/.test(path)) return 'holds a ? or #: a path ends before them'
  const seen = asRequestsShowIt(path)
  return seen === path ? undefined : `never looks like this in a request: there it is ${seen}`
}

/** After the runtime's URL parser: dot segments removed, other characters percent-encoded; unreserved ones are plain (RFC 3986 2.3). */
function asRequestsShowIt(path: string): string {
  const decoded = path.replace(/%(?:2[DE]|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])/gi, code =>
    String.fromCharCode(Number.parseInt(code.slice(1), 16)),
  )
  return new URL(`http://host${decoded}`).pathname
}

const LONGEST = 4_096
