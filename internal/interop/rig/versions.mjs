// Checks that what is installed is what package.json says, and with --lock writes the versions into the page
// of results.
import { readFileSync, writeFileSync } from 'node:fs'

const read = (name) => readFileSync(new URL(name, import.meta.url), 'utf8')
const { dependencies } = JSON.parse(read('package.json'))
const wanted = Object.entries(dependencies).map(([name, spec]) => [name, spec.split('@').at(-1)])
for (const [name, version] of wanted) {
  const installed = JSON.parse(read(`node_modules/${name}/package.json`)).version
  if (installed !== version) throw new Error(`${name}: installed ${installed}, package.json says ${version}`)
}
if (process.argv[2] === '--lock') {
  const page = new URL('../../../docs/interop.md', import.meta.url)
  const list = wanted.map(([name, version]) => `- \`${name}\` ${version}\n`).join('')
  writeFileSync(page, readFileSync(page, 'utf8').replace(/(<!-- peers -->\n)[^]*(<!-- \/peers -->)/, `$1${list}$2`))
}
