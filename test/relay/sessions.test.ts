import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Session, Sessions } from '../../relay/sessions.ts'

type Parts = ConstructorParameters<typeof Session>

function session(name: string, port: number, now: number): Session {
  return new Session({} as Parts[0], {} as Parts[1], { name, port }, {} as Parts[3], {} as Parts[4], now)
}

test('however sessions come, go and are heard of: they are found, and in the order in which they were last heard of', () => {
  const step = fc.record({ at: fc.nat(7), what: fc.constantFrom('add', 'touch', 'remove', 'hide', 'move') })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const sessions = new Sessions()
      /** The obvious way: a list, the last one heard of at its end. */
      let model: { session: Session; at: number; isHidden: boolean }[] = []
      let now = 0
      for (const { at, what } of steps) {
        now += 1
        const known = model.find(each => each.at === at && !each.isHidden)
        if (what === 'add' && known === undefined) {
          const one = session('10.0.0.1', at, now)
          sessions.add(one)
          model.push({ session: one, at, isHidden: false })
        } else if (known === undefined) continue
        else if (what === 'touch') {
          sessions.touch(known.session, now)
          model = [...model.filter(each => each !== known), known]
        } else if (what === 'remove') {
          sessions.remove(known.session)
          model = model.filter(each => each !== known)
        } else if (what === 'hide') {
          sessions.hide(known.session)
          known.isHidden = true
        } else if (what === 'move') {
          sessions.move(known.session, { name: '10.0.0.2', port: at })
          sessions.move(known.session, { name: '10.0.0.1', port: at })
        }
        expect([...sessions]).toEqual(model.map(each => each.session))
        expect(sessions.size).toBe(model.length)
        expect(sessions.oldest).toBe(model[0]?.session)
        for (let port = 0; port < 8; port++) {
          const found = model.find(each => each.at === port && !each.isHidden)?.session
          expect(sessions.find('10.0.0.1', port)).toBe(found)
        }
      }
    }),
  )
})

test('one may end every session while it walks over them', () => {
  const sessions = new Sessions()
  for (let port = 0; port < 5; port++) sessions.add(session('10.0.0.1', port, port))
  for (const each of sessions) sessions.remove(each)
  expect([sessions.size, sessions.oldest]).toEqual([0, undefined])
})

test('an id belongs to who had it first, and goes with its session', () => {
  const sessions = new Sessions()
  const [one, two] = [session('10.0.0.1', 1, 1), session('10.0.0.1', 2, 2)]
  for (const each of [one, two]) sessions.add(each)
  sessions.addId(one, 'aa')
  sessions.addId(two, 'aa')
  sessions.addId(two, '')
  expect(sessions.withId('aa')).toBe(one)
  expect(sessions.withId('')).toBeUndefined()
  sessions.remove(one)
  expect(sessions.withId('aa')).toBeUndefined()
})
