/** SYMORQ: the queue, placement, leases and the journal. */

export type { ArtifactSettings } from './artifacts/artifact-service.ts';
export { type AuditQuestion, readAudit, type ShownEntry } from './audit/audit-check.ts';
export type { AuditBounds } from './audit/audit-desk.ts';
export type { BackupDocument } from './backup/backup-file.ts';
export { type RestoreDocument, readBackup, restore } from './backup/restore.ts';
export { writeBackup } from './backup/write-backup.ts';
export { Broker } from './broker.ts';
export { BrokerLoop } from './broker-loop.ts';
export type { BrokerOptions } from './broker-options.ts';
export { apply } from './core/apply.ts';
export { deadlinesOf } from './core/apply-workers.ts';
export { chargedAs } from './core/charging.ts';
export { type Claim, viewsFor } from './core/claims.ts';
export { type Decision, decided } from './core/decisions.ts';
export type { DrainDeadline, DrainWindow } from './core/drain-window.ts';
export type { BrokerEvent, Now, SubmittedSpec } from './core/events.ts';
export { explainDocument } from './core/explaining.ts';
export { brokenInvariants } from './core/invariants.ts';
export { foretold } from './core/learning.ts';
export { isPreemptible } from './core/preempting.ts';
export { heldAhead } from './core/principal-use.ts';
export { endsBy } from './core/run-bounds.ts';
export { emptyState, loadSnapshot, type Snapshot, saveSnapshot } from './core/snapshot.ts';
export type { BrokerState, Task, TaskPhase, Worker } from './core/state.ts';
export { step } from './core/step.ts';
export * as fold from './fold.ts';
export { checkStoppedHome } from './fsck/check-home.ts';
export type { Folder } from './journal/folder.ts';
export type {
  Finding,
  Group,
  GroupRow,
  HistoryPage,
  HistoryQuery,
  HistoryRow,
  Journal,
  JournalBlob,
  OpenedJournal,
  Witnessed,
} from './journal/journal.ts';
export { JournalError } from './journal/journal.ts';
export { type OpenJournalOptions, openJournal } from './journal/open-journal.ts';
export { type OpenedStore, openStore, type StoreOpening } from './journal/open-store.ts';
export { type JournalSettings, journalSettings } from './journal/settings.ts';
export { decodeDecisions } from './records.ts';
export { recover } from './recovery.ts';
export type { Standing } from './standing.ts';
