// Made by fourseven import gateway-api manifests.yaml

import type { ConfigInput } from 'fourseven'

export default {
  listeners: {
    'web:http': {
      kind: 'http',
      address: '0.0.0.0:8080',
      hostnames: ['shop.example.com'],
    },
    'web:grpc': {
      kind: 'http',
      address: '0.0.0.0:8080',
      hostnames: ['calls.example.com'],
    },
    'web:sql': {
      kind: 'tcp',
      address: '0.0.0.0:6432',
    },
  },
  pools: {
    'cart-next:80': {
      endpoints: ['http://10.0.0.7:3000'],
    },
    'cart:80': {
      endpoints: ['http://10.0.0.5:3000', 'http://10.0.0.6:3000'],
    },
    'orders:9090:h2c': {
      endpoints: ['h2c://10.0.0.8:9090'],
    },
    'postgres:5432:tcp': {
      endpoints: ['tcp://10.0.0.9:5432'],
    },
  },
  routes: [
    {
      name: 'orders',
      listener: 'web:grpc',
      match: {
        grpc: {
          service: 'shop.Orders',
        },
      },
      pool: 'orders:9090:h2c',
    },
    {
      name: 'shop',
      listener: 'web:http',
      rules: [
        {
          name: 'old',
          match: {
            path: '/basket',
          },
          redirect: {
            port: 'listener',
            prefix: '/cart',
            status: 308,
          },
        },
        {
          name: 'cart',
          match: {
            path: '/cart',
          },
          filters: {
            requestHeaders: {
              set: {
                'x-shop': 'cart',
              },
            },
          },
          retry: {
            on: ['connect-failure'],
          },
          timeouts: {
            request: '5s',
            try: '5s',
          },
          variants: [
            {
              name: 'cart:80',
              weight: 90,
              pool: 'cart:80',
            },
            {
              name: 'cart-next:80',
              weight: 10,
              pool: 'cart-next:80',
            },
          ],
          split: {
            by: 'draw',
          },
        },
      ],
    },
    {
      name: 'sql',
      listener: 'web:sql',
      pool: 'postgres:5432:tcp',
    },
  ],
} satisfies ConfigInput
