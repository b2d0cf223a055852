// A published mppx server with priced routes, named as those of client/clienttest. Amounts are base units.
//
//   /data                       100 a request; a POST is echoed
//   /stream/N/PRICE             an event stream of N chunks at PRICE each; ?delay= ms for each chunk
//   /boot                       as /data; HEAD asks for a zero-dollar proof (v2)
//   /who                        as /data; a zero charge asks who the payer is before the price is named
//   /hinted                     as /data; the 402 tells about the channel that Payment-Session names
//   /sponsored, /sponsored/stream/N/PRICE
//   /min-delta                  as /data; a voucher grows by 500 at least, which a v1 challenge does not say
//
// Query parameters: price=, deposit= (suggestedDeposit; 0 suggests none), ttl= (seconds).
import { createServer } from 'node:http'
import { formatUnits } from 'viem'
import { json, serve, wallet } from './lines.mjs'

const token = '0x20c0000000000000000000000000000000000000'
const units = (n) => formatUnits(BigInt(n), 6)
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const lower = (text) => text?.toLowerCase()

let rail, mppx, payee, sponsor, store
const known = new Set() // channel ids that the server has stored
const log = []

async function start({ v1, rpcUrl, payeeKey, sponsorKey }) {
  rail = v1 ? 'v1' : 'v2'
  mppx = await import(v1 ? 'mppx-v1/server' : 'mppx/server')
  payee = wallet(payeeKey, rpcUrl)
  sponsor = wallet(sponsorKey, rpcUrl).account
  store = mppx.Store.memory()
  for (const name of ['put', 'update']) {
    const original = store[name].bind(store)
    store[name] = (key, ...rest) => {
      if (/^0x[0-9a-f]{64}$/.test(key)) known.add(key)
      return original(key, ...rest)
    }
  }

  const create = (extra = {}) => mppx.Mppx.create({
    realm: 'interop',
    secretKey: 'nothing-depends-on-this-secret-0123456789',
    methods: [(v1 ? mppx.tempo.sessionLegacy : mppx.tempo.session)({
      account: payee.account, recipient: payee.account.address, chainId: payee.client.chain.id, currency: token,
      getClient: () => payee.client, store, channelStateTtl: 200, ...extra,
    })],
  })
  const hinted = ({ request }) => {
    const id = lower(request?.headers.get('payment-session'))
    return known.has(id) ? id : undefined
  }
  const proven = async ({ source }) => {
    const payer = lower(source?.split(':').at(-1))
    const mine = (await records()).filter((r) => lower(r.payer) === payer && !r.finalized)
    return mine.at(-1)?.channelId
  }
  const sse = create({ sse: true })
  const plain = create()
  const paysFees = create({ feePayer: sponsor })
  const paysFeesSse = create({ feePayer: sponsor, sse: true })
  const picky = create({ minVoucherDelta: units(500) })
  const tells = v1 ? plain : create({ resolveChannelId: hinted })
  const boots = v1 ? plain : create({ bootstrap: true, resolveChannelId: proven })
  // mppx asks who the payer is by HEAD only. A server that asks with the request itself puts the two methods that it
  // publishes together: a charge of zero, and for its proof a session challenge with what is known of the payer.
  const asks = mppx.Mppx.create({
    realm: 'interop',
    secretKey: 'nothing-depends-on-this-secret-0123456789',
    methods: [mppx.tempo.charge({
      account: payee.account, recipient: payee.account.address, chainId: payee.client.chain.id, currency: token,
      getClient: () => payee.client, store: mppx.Store.memory(),
    })],
  })
  const who = async (request, url) => {
    const { action, source } = credentialOf(request.headers.get('authorization'))
    if (action && action !== 'proof') return data(plain)(request, url)
    const named = hinted({ request })
    if (!named || action) {
      const proof = await asks.charge({ amount: '0' })(request)
      if (proof.status === 402) return proof.challenge
    }
    const id = action ? await proven({ source }) : named
    const headers = new Headers(request.headers)
    headers.delete('authorization')
    const plainly = new Request(request.url, { method: request.method, headers })
    return data(v1 ? plain : create({ resolveChannelId: () => id }), () => (v1 ? { channelId: id } : {}))(plainly, url)
  }
  const routes = {
    who,
    data: data(plain), 'min-delta': data(picky, () => (v1 ? {} : { minVoucherDelta: units(500) })),
    sponsored: data(paysFees), boot: data(boots),
    hinted: data(tells, (request) => (v1 ? { channelId: hinted({ request }) } : {})),
    stream: stream(sse), 'sponsored/stream': stream(paysFeesSse),
  }

  const listener = mppx.Request.toNodeListener(async (request) => {
    const url = new URL(request.url)
    const [, name, ...rest] = /^\/(data|who|min-delta|sponsored\/stream|sponsored|boot|hinted|stream)(?:\/(\d+)\/(\d+))?$/.exec(url.pathname) ?? []
    return routes[name] ? routes[name](request, url, rest) : new Response('no such route', { status: 404 })
  })
  const http = createServer((req, res) => {
    const entry = { method: req.method, path: req.url, accept: req.headers.accept, hint: req.headers['payment-session'], ...credentialOf(req.headers.authorization) }
    log.push(entry)
    res.once('close', () => Object.assign(entry, { status: res.statusCode, cut: !res.writableFinished }))
    listener(req, res)
  })
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${http.address().port}`, payee: payee.account.address, sponsor: sponsor.address }
}

function terms(url, price) {
  const asked = (name, otherwise) => url.searchParams.get(name) ?? otherwise
  const deposit = asked('deposit', 10_000)
  const ttl = asked('ttl')
  return {
    amount: units(asked('price', price)),
    ...(deposit === '0' ? {} : { suggestedDeposit: units(deposit) }),
    ...(ttl ? { expires: new Date(Date.now() + 1000 * Number(ttl)).toISOString() } : {}),
  }
}

const data = (instance, more = () => ({})) => async (request, url) => {
  const result = await instance.session({ ...terms(url, 100), unitType: 'request', ...more(request) })(request)
  if (result.status === 402) return result.challenge
  return result.withReceipt(Response.json({ method: request.method, echo: request.body ? await request.text() : undefined }))
}

const stream = (instance) => async (request, url, [n, price]) => {
  const result = await instance.session({ ...terms(url, price), unitType: 'chunk' })(request)
  if (result.status === 402) return result.challenge
  const delay = Number(url.searchParams.get('delay') ?? 0)
  return result.withReceipt(async function* (meter) {
    for (let i = 0; i < Number(n); i++) {
      await meter.charge()
      if (delay) await sleep(delay)
      yield json({ i })
    }
  })
}

function credentialOf(header) {
  const text = /^Payment (\S+)$/.exec(header ?? '')?.[1]
  if (!text) return {}
  const { payload, source } = JSON.parse(Buffer.from(text, 'base64url'))
  const { action = payload.type, cumulativeAmount, additionalDeposit, transaction } = payload
  return { action, cumulativeAmount, additionalDeposit, transaction, source }
}

const records = async () => (await Promise.all([...known].map((id) => store.get(id)))).filter((r) => r?.channelId)
const summary = (r) => r && {
  channelId: r.channelId, payer: r.payer, accepted: r.highestVoucherAmount, spent: r.spent, units: r.units,
  deposit: r.deposit, settled: r.settledOnChain, finalized: Boolean(r.finalized), signed: r.highestVoucher?.signature,
}

serve({
  start,
  /** What the server has on record; null where it knows nothing. */
  record: async ({ channelId }) => summary(await store.get(lower(channelId))),
  records: async () => (await records()).map(summary),
  requests: ({ since = 0 }) => log.slice(since),
  /** Cashes the highest voucher; the channel stays open. */
  settle: async ({ channelId }) => {
    if (rail === 'v2') return mppx.tempo.settle(store, payee.client, channelId, { account: payee.account })
    const legacy = { getChannel: (id) => store.get(id), updateChannel: async (id, change) => {
      const next = change(await store.get(id))
      if (next) await store.put(id, next)
      return next
    } }
    return mppx.tempo.sessionLegacy.settle(legacy, payee.client, channelId, { account: payee.account })
  },
  forget: async ({ channelId }) => void (await store.delete(lower(channelId))),
})
