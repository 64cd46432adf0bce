import { describe, expect, test } from 'vitest'
import type { HttpMatchInput } from '../../../shared/config/config-http.ts'
import { collectFindings } from '../../../shared/config/findings.ts'
import { readHttpMatches } from '../../../shared/config/parse-match.ts'
import { isGrpc } from '../../../shared/http/grpc-status.ts'

const read = (match: HttpMatchInput) => {
  const findings = collectFindings(undefined)
  const [config] = readHttpMatches(match, ['match'], 'http', findings)
  return { config: config!, codes: findings.problems.map(({ code, path }) => `${code} ${path}`) }
}
const pathOf = (grpc: HttpMatchInput['grpc'] & object) => {
  const { config, codes } = read({ grpc })
  expect(codes).toEqual([])
  return config.path
}

describe('a gRPC match', () => {
  test('is an exact path with both names', () => {
    const path = { kind: 'exact', value: '/helloworld.Greeter/SayHello' }
    expect(pathOf({ service: 'helloworld.Greeter', method: 'SayHello' })).toEqual(path)
    expect(pathOf({ service: { exact: 'helloworld.Greeter' }, method: { exact: 'SayHello' } })).toEqual(path)
  })

  test('is a prefix with the service alone, and any path with neither', () => {
    expect(pathOf({ service: 'helloworld.Greeter' })).toEqual({ kind: 'prefix', value: '/helloworld.Greeter' })
    expect(pathOf({})).toEqual({ kind: 'prefix', value: '/' })
  })

  test.each([
    [{ method: 'SayHello' }, ['/any.Service/SayHello'], ['/any.Service/SayHelloAgain', '/a/b/SayHello', '/SayHello']],
    [{ service: { regex: 'shop\\..*' } }, ['/shop.Cart/Add'], ['/shopX.Cart/Add', '/my.shop.Cart/Add', '/shop.Cart']],
    [
      { service: 'shop.Cart', method: { regex: 'Get|List' } },
      ['/shop.Cart/Get'],
      ['/shopXCart/Get', '/shop.Cart/GetX'],
    ],
    [{ service: { regex: 'a|b' }, method: { regex: 'Get.*' } }, ['/a/Get', '/b/GetX'], ['/a', '/c/Get', '/a/List']],
  ])('%j is a regex for the whole names', (grpc, taken, others) => {
    const path = pathOf(grpc)
    expect(path.kind).toBe('regex')
    const regex = new RegExp(`^(?:${path.value})$`, 'u')
    for (const one of taken) expect(regex.test(one), one).toBe(true)
    for (const one of others) expect(regex.test(one), one).toBe(false)
  })

  test('takes POST with a content type of gRPC only', () => {
    const { config } = read({ grpc: {} })
    expect(config.methods).toEqual(['POST'])
    const [type] = config.headers
    expect(type).toMatchObject({ name: 'content-type', op: 'regex' })
    const regex = new RegExp(`^(?:${type!.value})$`, 'u')
    for (const value of [
      'application/grpc',
      'application/grpc+proto',
      'application/grpc;x',
      'application/grpc-web',
      'x',
    ]) {
      expect(regex.test(value), value).toBe(isGrpc(value))
    }
  })

  test('goes with matches of metadata, and takes a binary value padded or not', () => {
    const { config, codes } = read({
      grpc: {},
      header: { 'x-tenant': 'a', 'x-key-bin': 'AA+/AQ==', 'x-bin': { present: true } },
    })
    expect(codes).toEqual([])
    expect(config.headers.slice(1)).toEqual([
      { name: 'x-tenant', op: 'exact', value: 'a' },
      { name: 'x-key-bin', op: 'regex', value: 'AA\\+/AQ={0,2}' },
      { name: 'x-bin', op: 'present', value: '' },
    ])
    const regex = new RegExp(`^(?:${config.headers[2]!.value})$`, 'u')
    expect(['AA+/AQ', 'AA+/AQ==', 'AA+/AQx'].map(value => regex.test(value))).toEqual([true, true, false])
  })

  test('without gRPC a header of that name is a header', () => {
    const { config } = read({ header: { 'x-key-bin': 'AQ==' } })
    expect(config.headers).toEqual([{ name: 'x-key-bin', op: 'exact', value: 'AQ==' }])
  })

  test.each([
    [{ grpc: {}, path: '/x' }, 'grpc-and-path match.grpc'],
    [{ grpc: {}, method: 'GET' }, 'grpc-and-path match.grpc'],
    [{ grpc: { service: 'a/b' } }, 'bad-grpc-name match.grpc.service'],
    [{ grpc: { method: { exact: '' } } }, 'bad-grpc-name match.grpc.method.exact'],
    [{ grpc: { service: 'a b' } }, 'bad-grpc-name match.grpc.service'],
    [{ grpc: { method: { regex: '(' } } }, 'bad-regex match.grpc.method.regex'],
    [{ grpc: { method: { regex: '(a+)+' } } }, 'slow-regex match.grpc.method.regex'],
    [{ grpc: {}, header: { 'x-bin': 'not base64!' } }, 'bad-binary match.header.x-bin'],
    [{ grpc: {}, header: { 'x-bin': 'AAAAA' } }, 'bad-binary match.header.x-bin'],
  ])('%j is %s', (match, code) => {
    expect(read(match).codes).toEqual([code])
  })
})
