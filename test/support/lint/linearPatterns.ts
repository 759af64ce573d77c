import { checkSync } from 'recheck'

/** What of a syntax tree the rule looks at (ESTree, as oxlint hands it to a plugin). */
interface Node {
  type: string
  callee?: { type: string; name?: string }
  regex?: { pattern: string; flags: string }
}

interface Context {
  report(problem: { node: Node; message: string }): void
}

// Its JavaScript, which needs neither Java nor a binary of the platform.
process.env.RECHECK_SYNC_BACKEND = 'pure'

/**
 * The searches for an attack end after so long; what is not decided by then is not known to be
 * linear.
 */
const timeout = 60_000

const linear = {
  meta: { type: 'problem' },
  create: (context: Context) => {
    const dynamic = (node: Node) => {
      if (node.callee?.type !== 'Identifier' || node.callee.name !== 'RegExp') return
      context.report({ node, message: 'A pattern that is put together at run time cannot be checked here: write it as a literal.' })
    }
    return {
      Literal: (node: Node) => {
        if (node.regex === undefined) return
        const answer = checkSync(node.regex.pattern, node.regex.flags, { timeout })
        if (answer.status === 'safe') return
        const found =
          answer.status === 'vulnerable' ? `takes time that is ${answer.complexity.summary}` : 'is not known to take linear time'
        context.report({ node, message: `This pattern ${found}: an input of 100 kB could hold a process up for hours.` })
      },
      NewExpression: dynamic,
      CallExpression: dynamic,
    }
  },
}

/**
 * A plugin for oxlint: no pattern may take longer than in proportion to its input. recheck decides
 * most of them by automata, and attacks the others.
 */
export default { meta: { name: 'patterns' }, rules: { linear } }
