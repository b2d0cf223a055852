// A published mppx client that does as it is told: opens by its first request, pays, streams, closes.
import { serve, wallet } from './lines.mjs'

let manager

const summary = (receipt) => receipt && {
  accepted: receipt.acceptedCumulative, spent: receipt.spent, units: receipt.units, txHash: receipt.txHash, channelId: receipt.channelId,
}
const now = () => ({ channelId: manager.channelId, cumulative: manager.cumulative, opened: manager.opened })

serve({
  async start({ v1, key, rpcUrl, bootstrap, maxDeposit }) {
    const { tempo } = await import(v1 ? 'mppx-v1/client' : 'mppx/client')
    const { account, client } = wallet(key, rpcUrl)
    manager = v1
      ? tempo.sessionLegacy({ account, client, maxDeposit })
      : tempo.session.manager({ account, client, bootstrap, maxDeposit })
    return account.address
  },
  async fetch({ url, method = 'GET', body, headers }) {
    const response = await manager.fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
    return { status: response.status, body: await response.text(), receipt: summary(response.receipt), ...now() }
  },
  async stream({ url }) {
    const chunks = []
    let receipt
    for await (const chunk of await manager.sse(url, { onReceipt: (r) => (receipt = r) })) chunks.push(chunk)
    return { chunks: chunks.length, receipt: summary(receipt), ...now() }
  },
  async topUp({ amount }) {
    return { receipt: summary(await manager.topUp(BigInt(amount))), ...now() }
  },
  async close() {
    return { receipt: summary(await manager.close()), ...now() }
  },
})
