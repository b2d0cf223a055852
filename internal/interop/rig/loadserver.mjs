// A published mppx server for internal/load, which counts its requests and keeps no list of them.
// Each route has a free twin with the same content. A request costs 100 base units, a piece of a
// stream 10.
//
//   /data              a small JSON document
//   /slow/THINK        the same after THINK milliseconds
//   /stream/N/PAUSE    an event stream of N pieces, with a pause in milliseconds before each
//   /free/...          the same for nothing
import { createServer } from 'node:http'
import { createSecureServer } from 'node:http2'
import { json, serve, wallet } from './lines.mjs'

const token = '0x20c0000000000000000000000000000000000000'
const suggestedDeposit = '1000' // in whole tokens, so that nobody has to top up
const route = /^(\/free)?\/(data|slow\/(\d+)|stream\/(\d+)\/(\d+))$/
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

let store
let requests = 0
const known = new Set() // channel ids that the server has stored

async function start({ v1, rpcUrl, payeeKey, cert, key }) {
  const mppx = await import(v1 ? 'mppx-v1/server' : 'mppx/server')
  const payee = wallet(payeeKey, rpcUrl)
  store = mppx.Store.memory()
  for (const name of ['put', 'update']) {
    const original = store[name].bind(store)
    store[name] = (id, ...rest) => {
      if (/^0x[0-9a-f]{64}$/.test(id)) known.add(id)
      return original(id, ...rest)
    }
  }
  const create = (extra = {}) => mppx.Mppx.create({
    realm: 'load',
    secretKey: 'nothing-depends-on-this-secret-0123456789',
    methods: [(v1 ? mppx.tempo.sessionLegacy : mppx.tempo.session)({
      account: payee.account, recipient: payee.account.address, currency: token,
      chainId: payee.client.chain.id, getClient: () => payee.client, store, ...extra,
    })],
  })
  const plain = create()
  const sse = create({ sse: true })

  const content = () => Response.json({ ok: true })
  async function data(request, free, wait) {
    if (free) {
      if (wait) await sleep(wait)
      return content()
    }
    const terms = { amount: '0.0001', suggestedDeposit, unitType: 'request' }
    const result = await plain.session(terms)(request)
    if (result.status === 402) return result.challenge
    if (wait) await sleep(wait)
    return result.withReceipt(content())
  }
  async function stream(request, free, n, pause) {
    async function* pieces(meter) {
      for (let i = 0; i < n; i++) {
        // Charged last: mppx keeps no reservation for a stream, so another stream on the channel
        // may use up what was charged before a pause, and this one then breaks off.
        if (pause) await sleep(pause)
        await meter?.charge()
        yield json({ i })
      }
    }
    if (free) {
      const text = new TextEncoder()
      const source = pieces()
      const body = new ReadableStream({
        async pull(c) {
          const { done, value } = await source.next()
          if (done) c.close()
          else c.enqueue(text.encode(`event: message\ndata: ${value}\n\n`))
        },
      })
      return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
    }
    const terms = { amount: '0.00001', suggestedDeposit, unitType: 'chunk' }
    const result = await sse.session(terms)(request)
    if (result.status === 402) return result.challenge
    return result.withReceipt(pieces)
  }

  const listener = mppx.Request.toNodeListener(async (request) => {
    requests++
    const { pathname } = new URL(request.url)
    const [, free, name, think = 0, n, pause] = route.exec(pathname) ?? []
    if (name === undefined) return new Response('no such route', { status: 404 })
    if (n !== undefined) return stream(request, free, Number(n), Number(pause))
    return data(request, free, Number(think))
  })
  const listen = (server) => new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server.address().port))
  })
  const http1 = createServer(listener)
  http1.keepAliveTimeout = 0 // no idle connection ends under a client's hands
  return {
    http1: `http://127.0.0.1:${await listen(http1)}`,
    http2: `https://127.0.0.1:${await listen(createSecureServer({ cert, key }, listener))}`,
  }
}

serve({
  start,
  count: () => requests,
  /** The sums of what the server has on record of a payer's channels. */
  async books({ payer }) {
    const records = await Promise.all([...known].map((id) => store.get(id)))
    const all = records.filter((r) => r?.payer?.toLowerCase() === payer.toLowerCase())
    const sum = (field) => all.reduce((total, r) => total + BigInt(r[field]), 0n)
    return { channels: all.length, accepted: sum('highestVoucherAmount'), spent: sum('spent') }
  },
})
