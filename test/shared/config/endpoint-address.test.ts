import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isIpLiteral, parseEndpointAddress, resolveVariables } from '../../../shared/config/endpoint-address.ts'

describe('an address', () => {
  test.each([
    ['https://app.example.com', 'https', 'app.example.com', 443, '', 'https://app.example.com'],
    ['https://App.Example.com./', 'https', 'app.example.com', 443, '', 'https://app.example.com'],
    ['http://app:8080/base/', 'http', 'app', 8080, '/base', 'http://app:8080'],
    ['http://app:80', 'http', 'app', 80, '', 'http://app'],
    ['HTTPS://app:80', 'https', 'app', 80, '', 'https://app:80'],
    ['http://127.0.0.1:9101', 'http', '127.0.0.1', 9101, '', 'http://127.0.0.1:9101'],
    ['http://[2001:DB8::1]', 'http', '2001:db8::1', 80, '', 'http://[2001:db8::1]'],
    ['https://[::1]:8443/a/b', 'https', '::1', 8443, '/a/b', 'https://[::1]:8443'],
    ['tcp://db.example.com:5432', 'tcp', 'db.example.com', 5432, '', 'tcp://db.example.com:5432'],
    ['tcp://[::1]:5432', 'tcp', '::1', 5432, '', 'tcp://[::1]:5432'],
    ['tls://DB.example.com:5432', 'tls', 'db.example.com', 5432, '', 'tls://db.example.com:5432'],
    ['tls://[::1]:443', 'tls', '::1', 443, '', 'tls://[::1]:443'],
    ['grpc://cart:50051', 'grpc', 'cart', 50051, '', 'grpc://cart:50051'],
    ['grpc://cart', 'grpc', 'cart', 80, '', 'grpc://cart'],
    ['grpcs://Cart.example.com', 'grpcs', 'cart.example.com', 443, '', 'grpcs://cart.example.com'],
    ['unix:/run/App.sock', 'unix', '/run/App.sock', 0, '', 'unix:/run/App.sock'],
    ['binding:App_2', 'binding', 'App_2', 0, '', 'binding:App_2'],
  ])('%s is read', (text, scheme, host, port, base, origin) => {
    expect(parseEndpointAddress(text)).toEqual({ scheme, host, port, base, origin })
  })

  test.each([
    ['', 'it has no scheme (https://, http:// or tcp://)'],
    ['app.example.com', 'it has no scheme (https://, http:// or tcp://)'],
    ['app.example.com:80', 'it has no scheme (https://, http:// or tcp://)'],
    [' https://app', 'it has no scheme (https://, http:// or tcp://)'],
    ['https:app', 'two slashes belong behind https:'],
    ['https:/app', 'two slashes belong behind https:'],
    [
      'ftp://app',
      'ftp:// is not a scheme for endpoints (https://, http://, h2c://, grpc://, grpcs://, tcp://, tls://, udp://, unix: and binding: are)',
    ],
    ['tls://app', 'a tls:// address needs a port'],
    ['tls://app:1/x', 'a tls:// address has no path'],
    ['udp://app', 'a udp:// address needs a port'],
    ['udp://app:53/x', 'a udp:// address has no path'],
    [
      'srv://app',
      'srv: is not supported yet (https://, http://, h2c://, grpc://, grpcs://, tcp://, tls://, udp://, unix: and binding: are)',
    ],
    ['unix://run/app.sock', 'the path of a socket begins with one slash: unix:/run/app.sock'],
    ['unix:run/app.sock', 'the path of a socket begins with one slash: unix:/run/app.sock'],
    ['unix:', 'the path of a socket begins with one slash: unix:/run/app.sock'],
    ['unix:/run/', 'a socket is not a folder'],
    ['unix:/run/my app', 'the path of a socket is in plain characters without spaces'],
    [`unix:/${'a'.repeat(103)}`, 'the path of a socket has at most 103 characters'],
    ['binding://APP', 'a binding is written without slashes: binding:APP'],
    ['binding:', '"" cannot be the name of a binding: letters, digits and _, not a digit first'],
    ['binding:my-app', '"my-app" cannot be the name of a binding: letters, digits and _, not a digit first'],
    ['binding:APP/base', '"APP/base" cannot be the name of a binding: letters, digits and _, not a digit first'],
    ['https://user:secret@app', 'a user or password does not belong in an address'],
    ['https://', '"" is not a host with an optional port'],
    ['https://:443', '":443" is not a host with an optional port'],
    ['https://app:', '"app:" is not a host with an optional port'],
    ['https://app:65536', '"app:65536" is not a host with an optional port'],
    ['https://app:080', '"app:080" is not a host with an optional port'],
    ['https://app:0', 'port 0 cannot be connected to'],
    ['https://::1', '"::1" is not a host with an optional port'],
    ['https://[::1', '"[::1" is not a host with an optional port'],
    ['https://0x7f.1', '"0x7f.1" is not a host with an optional port'],
    ['https://1.2.3', '"1.2.3" is not a host with an optional port'],
    ['https://a b', '"a b" is not a host with an optional port'],
    ['https://bücher.example', '"bücher.example" is not a host with an optional port'],
    ['https://a\\b', '"a\\b" is not a host with an optional port'],
    ['https://app/?q=1', 'its path holds a ? or #: a path ends before them'],
    ['https://app#x', 'its path has to begin with /'],
    ['https://app/a/../b', 'its path never looks like this in a request: there it is /b'],
    ['tcp://db', 'a tcp:// address needs a port'],
    ['tcp://db:5432/', 'a tcp:// address has no path'],
    [`https://${'a'.repeat(2_050)}`, 'it is longer than 2048 characters'],
  ])('%s is refused, and the reason said', (text, problem) => {
    expect(parseEndpointAddress(text)).toBe(problem)
  })

  test('an address that is read is read the same from its own parts', () => {
    const texts = fc.stringMatching(/^(https?|tcp|tls):\/\/[a-z0-9.:[\]-]{1,12}(:\d{1,5})?(\/[a-z%0-9.]{0,6}){0,2}$/)
    fc.assert(
      fc.property(texts, text => {
        const address = parseEndpointAddress(text)
        if (typeof address === 'string') return
        expect(parseEndpointAddress(address.origin + address.base)).toEqual(address)
        if (address.scheme.startsWith('http'))
          expect(new URL(text).host.replace(/\.(?=:|$)/, '')).toBe(new URL(address.origin).host)
      }),
      { seed: 47, numRuns: 500 },
    )
  })

  test('no text makes it throw', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), text => {
        parseEndpointAddress(text)
        parseEndpointAddress(`https://${text}`)
      }),
      { seed: 47, numRuns: 500 },
    )
  })
})

describe('a variable', () => {
  const variables = { HOST: 'app.example.com', EMPTY: '', PORT: '8080', TRAP: '${HOST}' }

  test.each([
    ['https://app', 'https://app'],
    ['https://${HOST}:${PORT}', 'https://app.example.com:8080'],
    ['${HOST:-other}', 'app.example.com'],
    ['${MISSING:-https://other:1}', 'https://other:1'],
    ['${EMPTY:-other}', 'other'],
    ['${MISSING:-}', ''],
    ['${EMPTY}', ''],
    ['${TRAP}', '${HOST}'],
    ['$HOST ${} ${1A} ${HOST-x}', '$HOST ${} ${1A} ${HOST-x}'],
  ])('in %s makes %s', (text, filled) => {
    expect(resolveVariables(text, variables)).toEqual({ text: filled })
  })

  test('that is not set is named, the first of several', () => {
    expect(resolveVariables('${HOST}${NONE}${LATER}', variables)).toEqual({ unset: 'NONE' })
    expect(resolveVariables('${NONE}', { NONE: undefined })).toEqual({ unset: 'NONE' })
  })

  test('is never one that every object has', () => {
    expect(resolveVariables('${constructor}', {})).toEqual({ unset: 'constructor' })
    expect(resolveVariables('${__proto__:-x}', {})).toEqual({ text: 'x' })
  })
})

test('an IP literal is told from a name', () => {
  expect(['127.0.0.1', '::1', 'localhost', '1.2.3', 'a.1'].map(isIpLiteral)).toEqual([true, true, false, false, false])
})
