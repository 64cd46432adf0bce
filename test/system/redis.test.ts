// Redis through the relay: thousands of commands without waiting for an answer, and messages nobody asks for.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, onTestFinished } from 'vitest'
import { needs, pathOf } from '../support/needs.ts'
import { freePort, redis } from '../support/servers.ts'
import { configTo, isRecord, type Program, relayProgram } from './program.ts'

const withRedis = needs('redis-server', 'redis-cli')

withRedis('10,000 commands in one pipeline are carried out once each and in their order', async () => {
  const door = await relayToRedis()
  const numbers = Array.from({ length: 10_000 }, (_, at) => String(at))
  const pipeline = redisCli(door.port, '--pipe')
  const said = output(pipeline)
  pipeline.stdin!.end(numbers.map(each => `RPUSH list ${each}\r\n`).join(''))
  expect(await said).toContain('errors: 0, replies: 10000')
  const list = await output(redisCli(door.port, 'lrange', 'list', '0', '-1'))
  expect(list.trim().split('\n')).toEqual(numbers)
  for (const record of await door.until(isRecord, 2)) expect(record).toMatchObject({ reason: 'done' })
})

withRedis('a subscriber that says nothing more hears every message in order', async () => {
  const door = await relayToRedis()
  const subscriber = redisCli(door.port, 'subscribe', 'news')
  let heard = ''
  subscriber.stdout!.on('data', text => {
    heard += text
  })
  const hears = async (what: string) => {
    while (!heard.includes(what)) await once(subscriber.stdout!, 'data')
  }
  await hears('subscribe\nnews\n1\n')
  const publisher = redisCli(door.port)
  const receivers = output(publisher)
  for (let at = 0; at < 1000; at++) publisher.stdin!.write(`publish news message-${at}\n`)
  publisher.stdin!.end()
  expect(await receivers).toBe('1\n'.repeat(1000))
  await hears('message-999\n')
  const messages = [...heard.matchAll(/^message-(\d+)$/gm)].map(([, number]) => Number(number))
  expect(messages).toEqual(Array.from({ length: 1000 }, (_, at) => at))
})

async function relayToRedis(): Promise<Program> {
  const port = await freePort()
  await redis(port)
  return relayProgram(configTo([port]))
}

function redisCli(port: number, ...args: string[]): ChildProcess {
  const child = spawn(pathOf('redis-cli')!, ['-p', String(port), ...args])
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function output(child: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of child.stdout!) text += chunk
  return text
}
