// Who is open, in the order in which they came. A Set would do, but V8 keeps the tables that a Set has outgrown, with all
// who were in them, until it collects its old generation: with members that come and go quickly most of what they held
// stayed in memory for long, and was copied by each young collection.

/** In at most one roll. */
export interface Listed<Member> {
  /** Its neighbours there; undefined at an end, and for who is in none. */
  before: Member | undefined
  after: Member | undefined
}

export class Roll<Member extends Listed<Member>> implements Iterable<Member> {
  size = 0
  private first: Member | undefined
  private last: Member | undefined

  /** Once. */
  add(member: Member): void {
    member.before = this.last
    if (this.last === undefined) this.first = member
    else this.last.after = member
    this.last = member
    this.size += 1
  }

  has(member: Member): boolean {
    return member === this.first || member.before !== undefined
  }

  /** Nothing, when it has left already. */
  delete(member: Member): void {
    if (!this.has(member)) return
    const { before, after } = member
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
    member.before = undefined
    member.after = undefined
    this.size -= 1
  }

  /** Those who are there now, without those who leave before their turn. */
  *[Symbol.iterator](): Generator<Member> {
    const all: Member[] = []
    for (let member = this.first; member !== undefined; member = member.after) all.push(member)
    for (const member of all) if (this.has(member)) yield member
  }
}
