// How the tests talk to a peer: one JSON command a line on standard input, one answer a line on standard
// output. A peer lives as long as its standard input, and so never longer than the tests.
import { createInterface } from 'node:readline'
import { createClient, defineChain, http } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { tempoModerato } from 'viem/chains'

export const json = (value) => JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString() : v))

/** Runs commands, several at once, until standard input ends. */
export function serve(commands) {
  const input = createInterface({ input: process.stdin })
  input.on('line', async (line) => {
    const { id, name, args } = JSON.parse(line)
    let answer
    try {
      answer = { id, result: (await commands[name](args ?? {})) ?? null }
    } catch (error) {
      answer = { id, error: String(error?.stack ?? error) }
    }
    process.stdout.write(`${json(answer)}\n`)
  })
  input.on('close', () => process.exit(0))
  // mppx leaves a rejection unhandled where the other side of a stream goes away.
  process.on('unhandledRejection', (error) => console.error('unhandled rejection:', error))
}

/** An account of a key, and a viem client of it on the chain. */
export function wallet(key, rpcUrl) {
  const account = privateKeyToAccount(key)
  const chain = defineChain({ ...tempoModerato, rpcUrls: { default: { http: [rpcUrl] } } })
  const client = createClient({ account, chain, pollingInterval: 20, transport: http(rpcUrl, { retryCount: 0, timeout: 60_000 }) })
  return { account, client }
}
