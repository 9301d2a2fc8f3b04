/** What a broker is given by whoever runs it. */
import type { PrincipalLimitTable, Timers } from '@gryphgen/protocol';
import type { Alarms, AuthorizedKeys, Clock, Identity, Log, Random } from '@gryphgen/runtime';
import type { ArtifactSettings } from './artifacts/artifact-service.ts';
import type { AuditBounds } from './audit/audit-desk.ts';
import type { openJournal } from './journal/open-journal.ts';
import type { JournalSettings } from './journal/settings.ts';
import type { Standing } from './standing.ts';

export interface BrokerOptions {
  readonly home: string;
  /** tcp://HOST:PORT (`*` picks a port) or ipc:///PATH */
  readonly endpoints: readonly string[];
  /** The grid's id (runtime/keys). */
  readonly grid: string;
  readonly identity: Identity;
  readonly authorized: AuthorizedKeys;
  readonly timers?: Timers;
  /** Default: none. */
  readonly principalLimits?: PrincipalLimitTable;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly random: Random;
  readonly log: Log;
  /** Absent: no artifacts are kept beside it. */
  readonly artifacts?: ArtifactSettings;
  readonly journal?: Partial<JournalSettings>;
  /** Signs the audit log: the grid's key. Default: this broker's own. */
  readonly signer?: Identity;
  readonly audit?: Partial<AuditBounds>;
  /** Absent: its members know it by their tickets, and nothing is announced. */
  readonly standing?: Standing;
  /** Members are being told what was announced; a new key holds from the next start, which is due. */
  readonly onChanged?: (newKey: boolean) => void;
  /** Default: the journal in `home`. */
  readonly openJournal?: typeof openJournal;
  /** The broker can no longer keep its word (journal lost, invariant broken): the process must end. */
  readonly onFatal: (error: unknown) => void;
}
