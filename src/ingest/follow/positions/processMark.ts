import { readFile, readlink } from 'node:fs/promises'

/**
 * What a process is known by on its machine: the boot, the namespace of its number, its number and
 * when it began. Null where this cannot be told (not Linux).
 */
export const processMark = (): Promise<string | null> => markOfProcess(process.pid)

/**
 * Whether the process of a mark has certainly ended. False if it lives, or cannot be seen from
 * here: it ran before the last boot, or in another container.
 */
export async function hasEnded(mark: string): Promise<boolean> {
  const [place, pid] = [mark.split(' ').slice(0, 2).join(' '), Number(mark.split(' ')[2])]
  const own = await processMark()
  if (own === null || !own.startsWith(`${place} `) || !Number.isSafeInteger(pid)) return false
  return (await markOfProcess(pid)) !== mark
}

async function markOfProcess(pid: number): Promise<string | null> {
  const place = await placeOfProcesses()
  if (place === null) return null
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  // The name before may contain anything.
  const began = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  return began === undefined ? `${place} none` : `${place} ${pid} ${began}`
}

async function placeOfProcesses(): Promise<string | null> {
  try {
    const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8')
    return `${boot.trim()} ${await readlink('/proc/self/ns/pid')}`
  } catch {
    return null
  }
}
