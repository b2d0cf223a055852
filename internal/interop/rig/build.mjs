// Compiles ChannelReserve.sol with the pinned compiler and writes build/reserve.hex, the code to put on the chain.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import solc from 'solc'

const at = (name) => new URL(name, import.meta.url)
const source = 'ChannelReserve.sol'
const { contracts, errors = [] } = JSON.parse(solc.compile(JSON.stringify({
  language: 'Solidity',
  sources: { [source]: { content: readFileSync(at(source), 'utf8') } },
  settings: {
    evmVersion: 'cancun',
    viaIR: true,
    optimizer: { enabled: true },
    outputSelection: { [source]: { ChannelReserve: ['evm.deployedBytecode.object'] } },
  },
})))
for (const { formattedMessage } of errors) console.error(formattedMessage)
if (errors.some(({ severity }) => severity === 'error')) process.exit(1)
mkdirSync(at('build'), { recursive: true })
writeFileSync(at('build/reserve.hex'), contracts[source].ChannelReserve.evm.deployedBytecode.object)
