import { expect, test } from 'vitest'
import { dropContentFields, pageFor, renderPage } from '../../../shared/http/error-pages.ts'
import { compilePages } from '../../../shared/table/pages.ts'

const page = (of: number, body: string, contentType = 'text/html; charset=utf-8', replaces = false) => ({
  of,
  body,
  contentType,
  replaces,
})
const bodyOf = (found: ReturnType<typeof pageFor>) => found && renderPage(found, 'id', 'route')

test('a status comes before its class, and the rule before its listener', () => {
  const rule = compilePages([page(5, 'rule 5xx'), page(503, 'rule 503')])
  const listener = compilePages([page(404, 'listener 404'), page(502, 'listener 502'), page(5, 'listener 5xx')])
  expect(bodyOf(pageFor(503, rule, listener))).toBe('rule 503')
  expect(bodyOf(pageFor(502, rule, listener))).toBe('rule 5xx')
  expect(bodyOf(pageFor(404, rule, listener))).toBe('listener 404')
  expect(bodyOf(pageFor(500, undefined, listener))).toBe('listener 5xx')
  expect(pageFor(403, rule, listener)).toBeUndefined()
  expect(pageFor(200, rule, listener)).toBeUndefined()
  expect(pageFor(404, undefined, compilePages([]))).toBeUndefined()
})

test('values are escaped in HTML and XML, and only there', () => {
  const evil = `<b>&"'`
  const [html] = compilePages([page(404, '{request.id} at {route}: {other}')])!
  expect(renderPage(html!, evil, 'r')).toBe('&lt;b&gt;&amp;&quot;&#39; at r: {other}')
  const [xml] = compilePages([page(404, '{request.id}', 'application/problem+xml')])!
  expect(renderPage(xml!, evil, 'r')).toBe('&lt;b&gt;&amp;&quot;&#39;')
  const [text] = compilePages([page(404, '{request.id}', 'text/plain')])!
  expect(renderPage(text!, evil, 'r')).toBe(evil)
})

test('a page is given as it was written, lines and all', () => {
  const body = 'a\r\n\tb\n{}{request.id}{request.id}\u2603'
  const [written] = compilePages([page(404, body)])!
  expect(renderPage(written!, 'x', 'r')).toBe('a\r\n\tb\n{}xx\u2603')
})

test('what spoke of the old body goes, the rest stays', () => {
  const headers = new Headers({ 'content-encoding': 'br', etag: '"1"', 'content-length': '3', 'x-a': '1', vary: 'x' })
  dropContentFields(headers)
  expect([...headers.keys()]).toEqual(['vary', 'x-a'])
})
