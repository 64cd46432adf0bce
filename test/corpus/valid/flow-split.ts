// two versions by client address

import { defineConfig } from 'fourseven'

export default defineConfig({
  listeners: {
    mq: {
      kind: 'tcp',
      address: '0.0.0.0:1883',
    },
  },
  pools: {
    old: {
      endpoints: ['tcp://old.example.com:1883'],
    },
    'new': {
      endpoints: ['tcp://new.example.com:1883'],
    },
  },
  routes: [
    {
      name: 'office',
      listener: 'mq',
      match: {
        address: ['10.0.0.0/8', '192.168.1.4'],
      },
      pool: 'new',
    },
    {
      name: 'mq',
      listener: 'mq',
      variants: [
        {
          name: 'old',
          weight: 95,
          pool: 'old',
        },
        {
          name: 'new',
          weight: 5,
          pool: 'new',
        },
      ],
      split: {
        salt: 'may',
      },
    },
  ],
  expect: [
    {
      flow: {
        listener: 'mq',
        from: '10.1.2.3',
      },
      gets: {
        pool: 'new',
      },
    },
    {
      flow: {
        listener: 'mq',
      },
      gets: {
        variant: ['old', 'new'],
      },
    },
  ],
})
