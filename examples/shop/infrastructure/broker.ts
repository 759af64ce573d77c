/**
 * A message broker in a page: lines of JSON over TCP, pushed to the subscribers of a topic in turn, kept while there are no subscribers.
 *
 * Deliveries are pushed because consumers that poll would fill every trace with polling.
 */
import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { onStop, reportReady } from '../lib/control.ts'
import { host, portBase } from '../lib/environment.ts'
import type { BrokerReply, BrokerRequest, Message } from '../lib/queue.ts'
import { portOf } from '../topology.ts'

interface Topic {
  readonly subscribers: Socket[]
  readonly kept: Message[]
}

const topics = new Map<string, Topic>()

const server = createServer((socket) => {
  createInterface({ input: socket }).on('line', (line) => receive(socket, JSON.parse(line) as BrokerRequest))
  socket.on('error', () => socket.destroy())
  socket.on('close', () => {
    for (const { subscribers } of topics.values()) {
      const index = subscribers.indexOf(socket)
      if (index >= 0) subscribers.splice(index, 1)
    }
  })
})
server.listen(portOf('broker', portBase), host, reportReady)
onStop(async () => server.close())

function receive(socket: Socket, request: BrokerRequest): void {
  if ('subscribe' in request) {
    const topic = topicOf(request.subscribe)
    topic.subscribers.push(socket)
    for (const message of topic.kept.splice(0)) deliver(topic, message)
  } else {
    send(socket, { accepted: request.publish.id })
    deliver(topicOf(request.publish.topic), request.publish)
  }
}

function topicOf(name: string): Topic {
  const topic = topics.get(name) ?? { subscribers: [], kept: [] }
  topics.set(name, topic)
  return topic
}

function deliver(topic: Topic, message: Message): void {
  const next = topic.subscribers.shift()
  if (next === undefined) {
    topic.kept.push(message)
    return
  }
  topic.subscribers.push(next)
  send(next, { deliver: message })
}

function send(socket: Socket, reply: BrokerReply): void {
  socket.write(`${JSON.stringify(reply)}\n`)
}
