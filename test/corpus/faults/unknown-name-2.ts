// a listener with a slip

export default {
  listeners: {
    db: {
      kind: 'tcp',
      address: '0.0.0.0:5432',
    },
  },
  pools: {
    sql: {
      endpoints: ['tcp://sql-a.example.com:5432', 'tcp://sql-b.example.com:5432'],
    },
  },
  routes: [
    {
      name: 'sql',
      listener: 'dbs',
      pool: 'sql',
    },
  ],
}
