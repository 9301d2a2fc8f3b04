/** Whether a worker offers what a task needs beyond room, as predicates (predicates.ts). They hold or do not, for ever alike. */
import { allowsImage, type Needs, type Offers, reaches, type WorkerReport } from '@gryphgen/protocol';
import type { Shape } from './shape.ts';

interface OfferPredicate {
  readonly concerns: (shape: Shape) => boolean;
  readonly lack: (shape: Shape, worker: unknown, report: WorkerReport) => number;
  readonly reasons: (shape: Shape, worker: unknown, report: WorkerReport) => readonly string[];
}

/** A worker of a version that would pass over what it does not know runs no task that says it. */
const known: OfferPredicate = {
  concerns: hasNeeds,
  lack: ({ needs }, _worker, { offers }) =>
    needs === undefined || (offers !== undefined && unknownTo(needs, offers).length === 0) ? 0 : 1,
  reasons: ({ needs }, _worker, { offers, version }) => {
    const fields = needs === undefined ? [] : unknownTo(needs, offers);
    const what = fields.length === 0 ? 'tell what its owner allows' : `know ${fields.join(', ')}`;
    return [`does not ${what}: its version, ${version}, is older than the task's`];
  },
};

const mounted = offered(
  ({ mounts = [] }, offers) =>
    mounts.filter(
      ({ name, write }) => !offers.mounts.some((one) => one.name === name && (one.write || !write)),
    ),
  ({ name }, { mounts }) =>
    mounts.some((one) => one.name === name)
      ? `lets mount ${name} be read, not written`
      : `has no mount named ${name}${listed(mounts.map((one) => one.name))}`,
);

const networked = offered(
  ({ network }, { networks }) => (network === undefined || networks.includes(network) ? [] : [network]),
  (network, { networks }) => `allows no ${network} network${listed(networks, 'allows')}`,
);

const sandboxed = offered(
  ({ runtime }, { runtimes }) => (runtime === undefined || runtimes.includes(runtime) ? [] : [runtime]),
  (runtime, { runtimes }) => `does not offer runtime ${runtime}${listed(runtimes)}`,
);

const rooted = offered(
  ({ root }, offers) => (root !== true || offers.root ? [] : [root]),
  () => 'lets no container run as root',
);

const published = offered(
  ({ ports }, offers) => (ports === undefined || reaches(offers.ports, ports) ? [] : [ports]),
  (_bind, { ports }) =>
    ports === undefined ? 'lets no task publish ports' : 'lets tasks publish ports on loopback alone',
);

/** Also of tasks without needs: any container has an image. */
const permitted: OfferPredicate = {
  concerns: ({ image }) => image !== undefined,
  lack: ({ image }, _worker, { offers }) =>
    image === undefined || offers?.images === undefined || allowsImage(offers.images, image) ? 0 : 1,
  reasons: ({ image }, _worker, { offers }) => [
    `does not allow image ${image}${listed(offers?.images ?? [], 'allows')}`,
  ],
};

export const offerPredicates: readonly OfferPredicate[] = [
  known,
  permitted,
  mounted,
  networked,
  sandboxed,
  rooted,
  published,
];

/** Of a worker that tells no offers everything is said by `known`. */
function offered<T>(
  lacking: (needs: Needs, offers: Offers) => readonly T[],
  inWords: (what: T, offers: Offers) => string,
): OfferPredicate {
  return {
    concerns: hasNeeds,
    lack: ({ needs }, _worker, { offers }) =>
      needs === undefined || offers === undefined || lacking(needs, offers).length === 0 ? 0 : 1,
    reasons: ({ needs }, _worker, { offers }) =>
      needs === undefined || offers === undefined
        ? []
        : lacking(needs, offers).map((what) => inWords(what, offers)),
  };
}

function hasNeeds({ needs }: Shape): boolean {
  return needs !== undefined;
}

function unknownTo(needs: Needs, offers: Offers | undefined): readonly string[] {
  return needs.fields.filter((field) => offers?.fields.includes(field) !== true);
}

function listed(names: readonly string[], verb = 'has'): string {
  return names.length === 0 ? '' : ` (it ${verb} ${names.join(', ')})`;
}
