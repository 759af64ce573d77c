import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  model: string
  input: string[]
  dimensions?: number
  encoding_format?: string
}

/** Answers a call in another way than well, or returns false to have it answered well. */
export type Misbehave = (call: { asked: Asked; calls: number; request: IncomingMessage; response: ServerResponse }) => boolean | void

/** The embedding that the provider gives a text, of single precision. */
export const vectorOf = (text: string): number[] => [text.length, text.codePointAt(0) ?? 0, 0.5]

export const answer = (response: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}): true => {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  response.writeHead(status, { 'content-type': typeof body === 'string' ? 'text/html' : 'application/json', ...headers }).end(text)
  return true
}

export const embeddings = (vectors: readonly unknown[]) => ({
  object: 'list',
  data: vectors.map((embedding, index) => ({ object: 'embedding', index, embedding })),
  usage: { prompt_tokens: 1, total_tokens: 1 },
})

/** An OpenAI-compatible provider on this machine. */
export async function startProvider(misbehave: Misbehave = () => false) {
  const asked: Asked[] = []
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (piece: string) => (text += piece))
    request.on('end', () => {
      const call = JSON.parse(text) as Asked
      asked.push(call)
      requests.push(request)
      if (misbehave({ asked: call, calls: asked.length, request, response }) === true) return
      answer(response, 200, embeddings(call.input.map(vectorOf)))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/v1`,
    asked,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
