// The tcp door: nothing here looks at a byte of payload. A client that is not served is reset.

import type { DoorKind } from './door.ts'

export const blind: DoorKind = {
  learn: (_, facts) => facts,
  admit: flow => ({ client: flow.client, startTls: undefined, carriesTls: false, protocol: undefined }),
  // That is what it would have seen had it asked a closed port.
  refuse: flow => flow.client.reset(),
}
