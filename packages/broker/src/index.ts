/** SYMORQ: the queue, placement, leases and the journal. */

export type { ArtifactSettings } from './artifacts/artifact-service.ts';
export { type AuditQuestion, readAudit, type ShownEntry } from './audit/audit-check.ts';
export type { AuditBounds } from './audit/audit-desk.ts';
export { type ArtifactsOrder, verifyArtifacts } from './backup/backup-artifacts.ts';
export type { ArtifactsLeftOut, BackupDocument } from './backup/backup-file.ts';
export {
  artifactsOf,
  type RestoreDocument,
  readBackup,
  restore,
  restoreWithArtifacts,
} from './backup/restore.ts';
export { writeBackup } from './backup/write-backup.ts';
export { Broker } from './broker.ts';
export { BrokerLoop } from './broker-loop.ts';
export type { BrokerOptions } from './broker-options.ts';
export type { BrokerEvent, Now, SubmittedSpec } from './core/events.ts';
export { brokenInvariants } from './core/invariants.ts';
export { foretold } from './core/learning.ts';
export { type Claim, viewsFor } from './core/placing/claims.ts';
export { explainDocument } from './core/placing/explaining.ts';
export type { JudgedOrder } from './core/placing/policy-orders.ts';
export { isPreemptible } from './core/placing/preempting.ts';
export { endsBy } from './core/placing/run-bounds.ts';
export { heldAhead } from './core/principals/principal-use.ts';
export { apply } from './core/record/apply.ts';
export { deadlinesOf } from './core/record/apply-workers.ts';
export { type Decision, decided } from './core/record/decisions.ts';
export { emptyState, loadSnapshot, type Snapshot, saveSnapshot } from './core/record/snapshot.ts';
export type { BrokerState, Task, TaskPhase, Worker } from './core/state.ts';
export { step } from './core/step.ts';
export { chargedAs } from './core/workers/charging.ts';
export type { DrainDeadline, DrainWindow } from './core/workers/drain-window.ts';
export * as fold from './fold.ts';
export { checkArtifacts } from './fsck/check-artifacts.ts';
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
export { PolicyJudge } from './judging/policy-judge.ts';
export { decodeDecisions } from './records.ts';
export { recover } from './recovery.ts';
export type { Standing } from './standing.ts';
