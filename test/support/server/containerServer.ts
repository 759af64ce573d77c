import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { describeServer } from './describeServer.ts'
import type { ServerLeg } from './serverLeg.ts'
import { serverUrl } from './serverUrl.ts'
import { testSettings } from './testSettings.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const dockerAnswersWithin = 2_000

/** The repository's Dockerfile, built and run by testcontainers, which also removes the container should this process be killed. */
export async function containerServer(): Promise<ServerLeg> {
  // Loaded here, so that a machine with a server of its own does not wait for a Docker client.
  const { GenericContainer, getContainerRuntimeClient, Wait } = await import('testcontainers')
  const answered = getContainerRuntimeClient().then(
    () => true,
    () => false,
  )
  if (!(await Promise.race([answered, delay(dockerAnswersWithin, false, { ref: false })]))) {
    return { available: false, reason: 'Docker does not answer' }
  }
  try {
    const password = randomUUID()
    const image = await GenericContainer.fromDockerfile(repository).build('pgvantage-test-server', { deleteOnExit: false })
    const container = await image
      .withEnvironment({ POSTGRES_PASSWORD: password })
      .withCommand(testSettings)
      .withSharedMemorySize(512 * 1024 * 1024)
      .withExposedPorts(5432)
      .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forLogMessage('database system is ready to accept connections')]))
      .start()
    const url = serverUrl({ host: container.getHost(), port: container.getMappedPort(5432), password })
    const stop = async () => void (await container.stop())
    return { available: true, url, description: `container: ${await describeServer(url)}`, stop }
  } catch (error) {
    return { available: false, reason: `Docker could not run the Dockerfile: ${error instanceof Error ? error.message : String(error)}` }
  }
}
