import { expect, test } from 'vitest'
import { type Listed, Roll } from '../../relay/roll.ts'

interface Member extends Listed<Member> {
  readonly name: string
}

const member = (name: string): Member => ({ name, before: undefined, after: undefined })
const namesIn = (roll: Roll<Member>) => [...roll].map(({ name }) => name)

test('members are in the order in which they came, whoever leaves', () => {
  const roll = new Roll<Member>()
  const all = ['a', 'b', 'c', 'd', 'e'].map(member)
  const [a, , c, , e] = all as [Member, Member, Member, Member, Member]
  for (const one of all) roll.add(one)
  roll.delete(c)
  expect(namesIn(roll)).toEqual(['a', 'b', 'd', 'e'])
  roll.delete(a)
  roll.delete(e)
  expect(namesIn(roll)).toEqual(['b', 'd'])
  roll.add(c)
  expect(namesIn(roll)).toEqual(['b', 'd', 'c'])
  expect(roll.size).toBe(3)
})

test('who is alone may leave and come again; who is not there leaves nothing', () => {
  const roll = new Roll<Member>()
  const one = member('one')
  roll.delete(one)
  roll.add(one)
  roll.delete(one)
  roll.delete(one)
  expect([roll.size, namesIn(roll)]).toEqual([0, []])
  roll.add(one)
  expect([roll.size, namesIn(roll)]).toEqual([1, ['one']])
})

test('who has left holds nobody in memory', () => {
  const roll = new Roll<Member>()
  const all = ['a', 'b', 'c'].map(member)
  for (const one of all) roll.add(one)
  for (const one of all) roll.delete(one)
  for (const one of all) expect([one.before, one.after]).toEqual([undefined, undefined])
})

test('a walk passes over those who leave before their turn, and does not meet those who come meanwhile', () => {
  const roll = new Roll<Member>()
  const [a, b, c, late] = ['a', 'b', 'c', 'late'].map(member) as [Member, Member, Member, Member]
  for (const one of [a, b, c]) roll.add(one)
  const met: string[] = []
  for (const one of roll) {
    met.push(one.name)
    if (one !== a) continue
    roll.delete(a)
    roll.delete(b)
    roll.add(late)
  }
  expect(met).toEqual(['a', 'c'])
})
