// A published mppx client that does as it is told: opens by its first request, pays, streams, closes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { writeContract } from 'viem/actions'
import { serve, wallet } from './lines.mjs'

let manager, alone

const summary = (receipt) => receipt && {
  accepted: receipt.acceptedCumulative, spent: receipt.spent, units: receipt.units, txHash: receipt.txHash, channelId: receipt.channelId,
}
const now = () => ({ channelId: manager.channelId, cumulative: manager.cumulative, opened: manager.opened })

/** Keeps strings by key in a file. */
function drawer(file) {
  const all = () => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {})
  const put = (key, value) => writeFileSync(file, JSON.stringify({ ...all(), [key]: value }))
  return { get: (key) => all()[key], set: put, delete: (key) => put(key, undefined) }
}

serve({
  async start({ v1, key, rpcUrl, file, bootstrap, maxDeposit }) {
    const { tempo } = await import(v1 ? 'mppx-v1/client' : 'mppx/client')
    const { Session, SessionLegacy } = await import(v1 ? 'mppx-v1/tempo' : 'mppx/tempo')
    const { account, client } = wallet(key, rpcUrl)
    if (v1) {
      manager = tempo.sessionLegacy({ account, client, maxDeposit })
      const { escrowAbi: abi } = SessionLegacy.Session.Chain
      alone = (name, escrow) => writeContract(client, { abi, address: escrow, functionName: name, args: [manager.channelId], nonceKey: 'expiring' })
    } else {
      const channelStore = file && Session.Client.createJsonChannelStore(drawer(file))
      manager = tempo.session.manager({ account, client, bootstrap, maxDeposit, channelStore })
      alone = (name) => Session.Precompile.Chain[`${name}OnChain`](client, manager.state.descriptor)
    }
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
  /** A transaction of the payer's without the server: requestClose or withdraw. Returns its hash. */
  alone: ({ name, escrow }) => alone(name, escrow),
  /** Moves the clock of this process. */
  advance({ seconds }) {
    const then = Date.now
    Date.now = () => then() + 1000 * seconds
  },
})
