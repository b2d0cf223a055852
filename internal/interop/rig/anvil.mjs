// Runs anvil's Tempo chain on a free port of this machine until standard input ends. Prints its address.
//   node anvil.mjs CHAIN_ID
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch]
const home = dirname(createRequire(import.meta.url).resolve(`@foundry-rs/anvil-${process.platform}-${arch}/package.json`))
const anvil = spawn(join(home, 'bin', 'anvil'), [
  '--network', 'tempo', '--hardfork', 'T4', '--chain-id', process.argv[2], '--host', '127.0.0.1', '--port', '0',
  '--disable-pool-balance-checks', '--mixed-mining', '--block-time', '2',
], { stdio: ['ignore', 'pipe', 'inherit'] })
process.once('exit', () => anvil.kill('SIGKILL'))
anvil.once('exit', (code) => process.exit(code || 1))
createInterface({ input: anvil.stdout }).on('line', (line) => {
  const address = /^Listening on (\S+)/.exec(line)?.[1]
  if (address) console.log(JSON.stringify({ id: 0, result: `http://${address}` }))
})
process.stdin.on('close', () => process.exit(0)).resume()
