import { ownFile } from './ownFile.ts'
import { follow } from './pages.ts'

/**
 * Follows the pages that begin in an empty folder, with the packed package. The reader's own file
 * is a part of the recorded incident; the database is the one that docs/start.md serves. One folder
 * for all of them: installing takes longer than most of what is run. That README's own line
 * installs what its demo needs is held by a unit test.
 */
export async function followPages(tarball: string): Promise<void> {
  const pages = ['docs/start.md', 'README.md', 'examples/recipes/README.md']
  await follow({
    pages,
    tarball,
    files: { 'telemetry/otlp.jsonl': await ownFile('examples/shop/recordings/incident.jsonl.gz') },
    copied: ['examples/recipes'],
    prints: [
      // start.md: its services, the suspects, the graph.
      /'urn:k8s:svc:shop\/payment'/,
      /^1\.00 urn:k8s:svc:shop\/payment: p95_ms/m,
      /flowchart LR/,
      // README: the demo, its program, the picture.
      /payment, reached over frontend -> checkout -> payment/,
      /^select "top"/m,
      /'urn:k8s:svc:shop\/payment'.* 'up'/,
      /wrote checkout\.svg/,
      // The recipes: what the programs answer, and that the gate fails closed.
      /suspects:\n {2}0\.9\d urn:k8s:svc:shop\/payment/,
      /WARN \d+ times, urn:k8s:svc:shop\/payment/,
      /exit code 3/,
      /frontend is worse/,
      /frontend must stop/,
      /recommendation may go on/,
      /payment is unknown/,
      /payment must stop/,
      /a mistyped service must stop/,
      /there is nothing to compare with yet/,
      /without urn:k8s:svc:shop\/frontend, 2 others are cut off/,
    ],
  })
  console.log(`${pages.join(', ')}: commands and programs work as printed`)
}
