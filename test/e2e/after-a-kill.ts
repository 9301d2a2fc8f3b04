/**
 * What a kill in the middle of a write may leave in the log: a last commit without its end (`torn`), or the end's frame
 * without its page, which nobody can tell from damage to it. Neither was acknowledged; each is named when it is found.
 */
import type { Finding } from '@gryphgen/broker';

const unfinishedEnd = 'in its last commit: lost, or not acknowledged';

/** The findings that a kill does not explain. */
export function beyondAKill(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ kind, what }) => kind !== 'torn' && !what.includes(unfinishedEnd));
}

/** The same of what the status tells. */
export function wordsBeyondAKill(findings: readonly string[]): readonly string[] {
  return findings.filter((what) => !what.includes(unfinishedEnd));
}
