// WebSockets beside an app: an upgrade is decided like any other request, then it is passed through.

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: { web: { kind: 'edge' } },
  pools: {
    app: { endpoints: ['${APP:-https://app.example.com}'] },
    chat: {
      endpoints: ['${CHAT_A:-https://chat-a.example.com}', '${CHAT_B:-https://chat-b.example.com}'],
      // A client that connects again comes to the endpoint that it had before.
      balance: { hash: 'address' },
    },
  },
  routes: [
    {
      name: 'site',
      rules: [
        // `ws:` and `wss:` addresses are written as `http:` and `https:`: there is nothing to turn on.
        { name: 'chat', match: { path: '/chat' }, pool: 'chat' },
        { name: 'app', pool: 'app' },
      ],
    },
  ],
})
