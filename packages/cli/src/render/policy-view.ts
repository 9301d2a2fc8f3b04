/** The placement policy: what is in force, how it came to be, and what a replay of the history says of another. */
import {
  formatDuration,
  formatTime,
  type PlacementPolicy,
  type PolicyDocument,
  type PolicyEvidence,
  type PolicyParts,
  usualCorrections,
} from '@gryphgen/protocol';
import type { Evolution, Flow } from '@gryphgen/scheduler';
import { printable } from '../printable.ts';
import type { Terminal } from '../terminal.ts';
import { table } from './table.ts';

type Printed = Pick<Terminal, 'style' | 'columns'>;

export function policyLines(
  { inForce, previous, changes, watch }: PolicyDocument,
  { style, columns }: Printed,
): readonly string[] {
  const before = previous === null ? '' : `; "grid evolve --rollback" goes back to version ${previous}`;
  const lines = [
    `${style.bold(`version ${inForce.version}`)} of the placement policy is in force${inForce.version === 0 ? ', which gryphgen comes with' : before}`,
    '',
    ...table(
      partsOf(inForce),
      [
        { title: 'PART', value: ([part]) => part },
        { title: 'IS', value: ([, is]) => is, right: true },
      ],
      columns,
    ),
  ];
  if (watch !== null) lines.push('', watchWords(watch));
  if (changes.length > 0)
    lines.push(
      '',
      ...table(
        changes,
        [
          { title: 'AT', value: ({ at }) => formatTime(at) },
          { title: 'WHAT', value: ({ kind, policy }) => changeWords(kind, policy) },
          { title: 'BY', value: ({ by }) => by || 'the broker' },
          { title: 'PROMISED', value: ({ evidence }) => (evidence === null ? '-' : percent(evidence.gain)) },
          { title: 'WHY', value: ({ reason }) => printable(reason) },
        ],
        columns,
      ),
    );
  return lines;
}

interface ReplayDocument extends Omit<Evolution, 'evidence'> {
  readonly policy: PlacementPolicy;
  /** That were replayed, and that would fit on no machine there is now. */
  readonly tasks: number;
  readonly leftOut: number;
  readonly heldOut: PolicyEvidence | null;
  /** The version that was promoted. */
  readonly promoted: number | null;
}

export function evolutionLines(document: ReplayDocument, { style, columns }: Printed): readonly string[] {
  const { policy, tasks, leftOut, tried, trained, judged, candidate, training, heldOut } = document;
  const out = leftOut === 0 ? '' : `; ${leftOut} would fit on no machine there is now`;
  const lines = [
    `replayed ${tasks} tasks under version ${policy.version} and ${tried} other policies: chosen by ${trained}, judged by ${judged}${out}`,
  ];
  if (candidate !== null && training !== null && heldOut !== null) {
    const { mean, p99 } = heldOut;
    const judging = { before: flow(mean.before, p99.before), after: flow(mean.after, p99.after) };
    const rows = [
      ['chosen by', training.before, training.after],
      ['judged by', judging.before, judging.after],
    ] as const;
    lines.push(
      '',
      ...table(
        rows,
        [
          { title: 'TASKS', value: ([what]) => what },
          { title: 'MEAN', value: ([, before]) => about(before.mean), right: true },
          { title: 'THEN', value: ([, , after]) => about(after.mean), right: true },
          { title: 'P99', value: ([, before]) => about(before.p99), right: true },
          { title: 'THEN', value: ([, , after]) => about(after.p99), right: true },
          {
            title: 'SOONER',
            value: ([, before, after]) => percent(1 - after.mean / before.mean),
            right: true,
          },
        ],
        columns,
      ),
      `at least ${percent(heldOut.leastGain)} sooner on what it is judged by, but for chance`,
      '',
      ...changedParts(policy, candidate, columns),
      '',
    );
  }
  lines.push(decisionWords(document, style));
  return lines;
}

function decisionWords({ promotes, promoted, why }: ReplayDocument, style: Terminal['style']): string {
  if (promoted !== null) return `${style.green(`version ${promoted} is in force`)}: ${why}`;
  return promotes ? `nothing was promoted, as asked for: ${why}` : `nothing was promoted: ${why}`;
}

function flow(mean: number, p99: number): Flow {
  return { mean, p99 };
}

function changedParts(from: PolicyParts, to: PolicyParts, columns: number): readonly string[] {
  const after = new Map(partsOf(to));
  const rows = partsOf(from).filter(([part, is]) => after.get(part) !== is);
  return table(
    rows,
    [
      { title: 'PART', value: ([part]) => part },
      { title: 'IS', value: ([, is]) => is, right: true },
      { title: 'WOULD BE', value: ([part]) => after.get(part) ?? '', right: true },
    ],
    columns,
  );
}

function partsOf({
  weights,
  finishWeight,
  waitGain,
  leastRuns,
  // Older brokers do not tell.
  corrections = usualCorrections,
}: PolicyParts): readonly (readonly [string, string])[] {
  return [
    ...Object.entries(weights).map(([term, weight]) => [`weight of ${term}`, weight.toFixed(3)] as const),
    ['share of the expected finish, where it is known', finishWeight.toFixed(3)],
    ['of the time, below which a wait is worth it', waitGain.toFixed(3)],
    ['runs from which on a class is known', String(leastRuns)],
    ['runs from which on what a class needs is charged', String(corrections.leastSeen)],
    ['of the way from what half of them needed to nine of ten', corrections.chargeReach.toFixed(3)],
    ['runs for each that is a try', String(corrections.runsPerTry)],
    ['times the best that a try may take', corrections.tryCost.toFixed(3)],
    ['runs from which on one may wait by choice', String(corrections.waitRuns)],
    ['times what it takes that it lets others go first', corrections.yieldShare.toFixed(3)],
  ];
}

function watchWords({
  tasks: [before, since],
  ratio,
  leastRatio,
}: NonNullable<PolicyDocument['watch']>): string {
  if (since === 0) return 'has yet to prove itself: too few tasks have ended since';
  return `has yet to prove itself: ${since} tasks since took ${ratio.toFixed(2)} times as long as ${before} before, by what is usual of their classes; no less than ${leastRatio.toFixed(2)} times but for chance`;
}

function changeWords(kind: PolicyDocument['changes'][number]['kind'], { version }: PlacementPolicy): string {
  return kind === 'promoted' ? `promoted ${version}` : `back to ${version}`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function about(ms: number): string {
  return formatDuration(Math.round(ms));
}
