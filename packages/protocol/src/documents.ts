/** What the grid answers about itself. Times are wall-clock ms since 1970, sizes bytes; 0 or '' means "not (yet)". */
import type { AttemptOutcome, TaskOutput } from './attempt-outcome.ts';
import type { Failure } from './failure.ts';
import type { BesideBroker } from './grant-documents.ts';
import type { BlobHash } from './ids.ts';
import type { EnrolledRole, JournalHead, OutcomeState } from './messages.ts';
import type { PrincipalLimits, Quota } from './principal-limits.ts';
import type { DeviceShare, WorkerReport } from './resources.ts';
import type { Address, Health } from './service-state.ts';
import type { Envelope } from './task-spec.ts';
import type { Fetched, Usage, Use } from './usage.ts';

export interface TaskDocument {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly state: 'waiting' | 'leased' | 'running' | OutcomeState;
  readonly exitCode: number | null;
  /** Worker id, and the name it had. */
  readonly worker: string;
  readonly workerName: string;
  readonly devices: readonly DeviceShare[];
  readonly attempts: number;
  readonly queuedAt: number;
  /** When its last attempt was placed; older brokers do not tell. */
  readonly placedAt?: number;
  /** What was expected then: until what it needs is there, and of its run; where something was known. Older brokers do not tell. */
  readonly foretold?: { readonly fetchMs: number; readonly runMs: number };
  readonly startedAt: number;
  readonly endedAt: number;
  readonly failure: Failure | null;
  readonly cancelRequested: boolean;
  readonly principal: string;
  readonly envelope: Envelope;
  readonly body: BlobHash;
  /** What a container ran of, once it has ended; by which name is in the envelope. */
  readonly image?: AttemptOutcome['image'];
  /** What it left, once it has ended well; where it says what it leaves. */
  readonly outputs?: readonly TaskOutput[];
  /** Of a service that runs, once its worker has told. */
  readonly addresses?: readonly Address[];
  readonly health?: Health;
  /** Of its last attempt, once it has ended, as far as its worker saw it. */
  readonly usage?: Usage;
  /** While it runs, as its worker saw it last. */
  readonly use?: Use;
}

/** How far what was foretold was from what came. */
export interface PredictionError {
  readonly seen: number;
  /** 2: off by twice or half as much, in the mean. */
  readonly factor: number;
  /** 1.5: what came was that many times what was foretold, in the mean. */
  readonly lean: number;
}

export interface NodeDocument {
  readonly id: string;
  readonly name: string;
  readonly state: 'ready' | 'silent' | 'away' | 'draining';
  /** While it drains, whatever its state; `until`: its deadline, 0 without one. Older brokers do not tell. */
  readonly drain?: { readonly until: number };
  /** Drains that are planned, or have begun by plan, in the order of their begin; `until`: 0 until it is resumed. Older brokers do not tell. */
  readonly windows?: readonly {
    readonly id: string;
    readonly at: number;
    readonly until: number;
    /** From its begin until what still runs is stopped. */
    readonly deadlineMs?: number;
    readonly begun: boolean;
  }[];
  readonly report: WorkerReport | null;
  readonly reserved: {
    readonly cpuMilli: number;
    readonly memoryBytes: number;
    readonly diskBytes: number;
    readonly attempts: number;
    readonly devices: readonly {
      readonly uuid: string;
      readonly vramBytes: number;
      readonly holders: number;
    }[];
  };
  /** Of what it has, what its attempts were seen to use, and what is free for others. Older brokers do not tell. */
  readonly ledger?: {
    readonly observed: { readonly cpuMilli: number; readonly memoryBytes: number };
    /** Host memory that attempts hold beyond what is reserved for them. */
    readonly beyondBytes: number;
    readonly free: {
      readonly cpuMilli: number;
      readonly memoryBytes: number;
      readonly devices: readonly { readonly uuid: string; readonly vramBytes: number }[];
    };
  };
  /** By class of tasks, those of the most attempts first. Older brokers do not tell. */
  readonly predictions?: readonly {
    readonly taskClass: string;
    readonly run?: PredictionError;
    readonly memory?: PredictionError;
    readonly vram?: PredictionError;
    /** Until its image and inputs are there; until there is room for one that waits for this worker by choice; of a model, until it is loaded. */
    readonly fetch?: PredictionError;
    readonly start?: PredictionError;
    readonly load?: PredictionError;
  }[];
  /** What the worker said in this session that cannot be, in words. Older brokers do not tell. */
  readonly doubts?: readonly string[];
  readonly tasks: readonly string[];
  /** Fenced attempts it still runs. */
  readonly ghosts: number;
}

export interface WorkerDecisionDocument {
  readonly worker: string;
  readonly name: string;
  readonly feasible: boolean;
  readonly reasons?: readonly string[];
  readonly scores?: Readonly<Record<string, number>>;
  readonly total?: number;
  /** When it would start there, from now, and how long fetch and run would take; where something is known of its class. */
  readonly startMs?: number;
  readonly takesMs?: number;
}

/** Of a waiting task: where it is expected to end first. Of a placed one: what was expected where it is. */
export interface ExpectedRun {
  readonly worker?: string;
  readonly name?: string;
  /** ms from now. */
  readonly startMs?: number;
  /** Fetch and run, ms. */
  readonly takesMs: number;
  /** Of a placed one: of that, until what it needed was there; missing where it was. */
  readonly fetchMs?: number;
}

/** `when`: 'now' for what would be decided now; 'placed' and 'refused' for the decision as it was taken. */
export interface ExplainDocument {
  readonly id: string;
  readonly state: TaskDocument['state'] | 'refused';
  readonly when: 'now' | 'placed' | 'refused';
  readonly decision: string;
  readonly workers: readonly WorkerDecisionDocument[];
  /** What each score counts for in the total; older brokers do not tell, nor what follows. */
  readonly weights?: Readonly<Record<string, number>>;
  /** The version of the placement policy that decided, or would now. */
  readonly policy?: number;
  readonly expected?: ExpectedRun;
  /** How long it has run, or ran. */
  readonly ranMs?: number;
  /** How long it took from its placement until it ran, where something was to be brought first. */
  readonly fetchedMs?: number;
  /** Of a question to a model that was answered. */
  readonly answer?: AnswerTimes;
  /** Before it runs: how much has come of what it is given, as its worker told last. */
  readonly fetched?: Fetched;
  /** Of what fits nowhere now: the worker that lacks least, and what it lacks. */
  readonly nearest?: { readonly worker: string; readonly name: string; readonly reasons: readonly string[] };
  /** Of a task that waits for its turn; older brokers do not tell. */
  readonly turn?: TurnDocument;
  /** Of a task that waits for its principal's quota alone to allow it. */
  readonly quota?: QuotaDocument;
  /** Of a dry run: why it would not be taken at all; older brokers do not tell. */
  readonly refused?: Failure;
}

/** Where the time of an answer went, in ms. Of a slot that was lent: waited, first and rest of its first question, the others of all that it answered. */
export interface AnswerTimes {
  /** From its submission until it had its place, earlier attempts and a load included. */
  readonly queueMs: number;
  /** From the model's server being asked until its first byte, and until its last. */
  readonly firstMs: number;
  readonly restMs: number;
  /** For which the server computed the prompt, without what it knew of it, and the output. Missing where it does not tell. */
  readonly promptMs?: number;
  readonly outputMs?: number;
  readonly tokens?: { readonly prompt: number; readonly cached: number; readonly output: number };
  /** Answered by its slot; missing of one that was not lent. */
  readonly questions?: number;
}

/** Amounts in the unit that `of` names. */
export interface QuotaDocument {
  readonly of: keyof Quota;
  readonly held: number;
  readonly allowed: number;
  readonly needed: number;
  /** Tasks of the same principal: once these have ended there is enough. Empty: there never is. */
  readonly ends: readonly string[];
}

/** What decides whose turn it is. */
export interface TurnDocument {
  /** Its own, and as it has risen by waiting. */
  readonly priority: number;
  readonly agedPriority: number;
  /** For so long neither it nor one that is as it was placed. */
  readonly waitedMs: number;
  /** What its principal has had of the grid of late, 0..1, and its weight. */
  readonly use: number;
  readonly weight: number;
  /** It lets shorter ones go first that came up to so long after it; older brokers do not tell. */
  readonly yieldsMs?: number;
}

export interface StatusDocument {
  readonly epoch: number;
  readonly waiting: number;
  readonly live: number;
  readonly workers: number;
  readonly connected: number;
  readonly sessions: number;
  readonly journalStalled: boolean;
  readonly counters: Readonly<Record<string, number>>;
  /** What came in that was not as it should be, and what became of connections: by name, since the broker started. */
  readonly door: Readonly<Record<string, number>>;
  readonly journal: {
    readonly seq: number;
    readonly digest: string;
    /** What was found damaged or missing. */
    readonly findings: readonly string[];
  };
  /** Where files, kept logs and the relay are; null while nothing is. Older brokers do not tell. */
  readonly beside?: BesideBroker | null;
}

/** `note`: worth knowing, nothing is wrong. `file` is relative to the home; `place` names the record, '' the whole file. */
export interface CheckFinding {
  readonly level: 'damage' | 'note';
  readonly file: string;
  readonly place: string;
  readonly what: string;
  readonly fix: string;
}

/** What `grid fsck` found in a home. */
export interface CheckDocument {
  readonly home: string;
  /** A broker was running on it. */
  readonly live: boolean;
  readonly version: string;
  /** Null where the home has no journal, or one of which nothing can be believed. */
  readonly journal: {
    readonly epoch: number;
    readonly head: JournalHead;
    readonly snapshot: number;
    readonly bodies: number;
    readonly finished: number;
  } | null;
  /** Null where there is no audit log. `signed`: the newest checkpoint that the grid's key signed. */
  readonly audit: {
    readonly records: number;
    readonly first: number;
    readonly last: number;
    readonly signed: number;
  } | null;
  /** Workers whose newest witnessed commit was compared with the journal. */
  readonly witnesses: number;
  readonly findings: readonly CheckFinding[];
  /** Where it was asked for. */
  readonly artifacts?: ArtifactsCheckDocument;
}

/** Of the files of tasks and the logs that a home keeps. */
export interface ArtifactsCheckDocument {
  readonly artifacts: number;
  readonly logs: number;
  /** Logs that older brokers kept, of which nothing says what they were. */
  readonly logsWithoutSum: number;
  /** That were read. */
  readonly bytes: number;
  readonly badArtifacts: number;
  readonly badLogs: number;
  /** The folders that hold what was put aside. */
  readonly putAside: readonly string[];
}

/** Somebody or something with a key of its own that is no machine's. */
export interface PrincipalDocument {
  readonly id: string;
  readonly name: string;
  readonly role: EnrolledRole;
  readonly addedAt: number;
  /** When a session of it was opened or ended last; what the broker knew when it crashed may be a day old. */
  readonly seenAt: number;
  readonly sessions: number;
  /** Of its unfinished tasks: those that wait, those that have a place, the bytes of the bodies of all. */
  readonly has: {
    readonly queued: number;
    readonly running: number;
    readonly bodiesBytes: number;
    /** Of its files that are kept beside the broker; null while nothing is kept there. Older brokers do not tell. */
    readonly storedBytes?: number | null;
    /** Of the grid, of late, 0..1; older brokers do not tell. */
    readonly use?: number;
    /** What its tasks hold, as quotas count it; older brokers do not tell. */
    readonly held?: Required<Quota>;
  };
  readonly limits: PrincipalLimits;
}

export interface TicketDocument {
  readonly id: string;
  readonly role: EnrolledRole;
  readonly expiresAt: number;
  /** The principal that made it; '' if an older broker did not note it. */
  readonly madeBy: string;
}

/** What the grid's key says of the broker. */
export interface StandingDocument {
  /** 0: nothing yet. */
  readonly serial: number;
  readonly brokerKey: string;
  readonly brokerCurveKey: string;
  /** Where members find it; empty: where they have found it. */
  readonly brokers: readonly string[];
}
