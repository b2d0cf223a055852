// A published mppx client for internal/load: many requests at a time on one channel. It uses mppx's
// payment method with mppx's fetch, because its session manager takes one request at a time.
import { performance } from 'node:perf_hooks'
import { serve, wallet } from './lines.mjs'

let pay

serve({
  async start({ v1, key, rpcUrl }) {
    const { Mppx, tempo } = await import(v1 ? 'mppx-v1/client' : 'mppx/client')
    const { account, client } = wallet(key, rpcUrl)
    const method = v1 ? tempo.sessionLegacy.method : tempo.session
    pay = Mppx.create({
      polyfill: false,
      methods: [method({ account, getClient: () => client, maxDeposit: '1000000' })],
    }).fetch
  },

  /** One round: as the job of internal/load says, and with the result that it expects. */
  async load(job) {
    const { url, workers, requests, pieces, slow, patience, limit, deadline, paid } = job
    const send = paid ? pay : fetch
    const out = { served: 0, refused: 0, failed: 0, slow: 0, took: [] }
    let left = requests
    const end = AbortSignal.timeout(deadline)
    async function once(url, pieces) {
      try {
        const response = await send(url, { signal: AbortSignal.any([end, AbortSignal.timeout(limit)]) })
        const text = await response.text()
        if (response.status !== 200) {
          out.refused++
          out.failure = `${response.status} ${text.slice(0, 200)}`
          return false
        }
        const came = text.split('\n').filter((line) => line.startsWith('data:')).length
        if (pieces && came !== pieces) throw new Error(`a stream of ${came} pieces, want ${pieces}`)
        return true
      } catch (error) {
        out.failed++
        out.failure = String(error)
        return false
      }
    }
    async function served(url, pieces) {
      while (out.refused + out.failed < patience && !end.aborted) {
        if (await once(url, pieces)) return true
      }
      return false
    }
    async function work() {
      while (left-- > 0) {
        const begin = performance.now()
        if (!(await served(url, pieces))) return
        out.served++
        out.took.push(performance.now() - begin)
      }
    }
    let done = false
    async function workSlowly() {
      while (!done && (await served(slow, 0))) out.slow++
    }
    const beside = slow ? workSlowly() : undefined
    const begin = performance.now()
    await Promise.all(Array.from({ length: workers }, work))
    out.elapsed = performance.now() - begin
    done = true
    await beside
    return out
  },
})
