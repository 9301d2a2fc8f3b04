/** What daemons and clients run on: time, chance, keys, settings, logs, and the sockets of the grid. */

export type { AnswerWriter } from './answers/answer-channel.ts';
export { AnswerChannels } from './answers/answer-channels.ts';
export type { AnswerFence, AnswerRecord, OverReason } from './answers/answer-records.ts';
export { fitsLentSlot, type TakenSlot } from './answers/lent-slots.ts';
export type { LentWriter } from './answers/lent-writer.ts';
export type { QuestionOutlet } from './answers/question-outlet.ts';
export { type AnswersReading, readAnswers } from './answers/read-answers.ts';
export {
  type ApiKey,
  ApiKeys,
  type ApiScope,
  apiKeyLimits,
  apiScopes,
  createApiKey,
  listApiKeys,
  revokeApiKey,
} from './api-keys.ts';
export {
  type ArchiveManifest,
  type ArchiveSource,
  readArchive,
  writeArchive,
} from './archive.ts';
export { watchAge } from './artifacts/age-watch.ts';
export { type AnywhereOptions, fetchAnywhere, storeBesideBroker } from './artifacts/anywhere.ts';
export { DirectMemory } from './artifacts/direct-writes.ts';
export { freeBytes, syncFolder, writeAll } from './artifacts/disk.ts';
export type { Manifest } from './artifacts/manifest.ts';
export { ArtifactOwners } from './artifacts/owners.ts';
export { type Scanned, type ScanOptions, scanPath } from './artifacts/scan-path.ts';
export { fetchFrom, storeInto } from './artifacts/serving.ts';
export { ArtifactStore } from './artifacts/store.ts';
export { storeBudget } from './artifacts/store-budget.ts';
export { type BadArtifact, checkStore, setAside } from './artifacts/store-check.ts';
export { copyStore, pruneCopy, type StoreCopy } from './artifacts/store-copy.ts';
export { takeScanned } from './artifacts/transfer.ts';
export { copyOut } from './artifacts/tree.ts';
export { UselessPlaces } from './artifacts/useless-places.ts';
export { makePrivateFolder, removeDrafts, replacePrivateFile, writePrivateFile } from './atomic-file.ts';
export { type AuthorizedKey, AuthorizedKeys, type EnrolledKey } from './authorized.ts';
export { Backoff, type BackoffBounds } from './backoff.ts';
export type { Follower } from './broker-round.ts';
export {
  BrokerSocket,
  type BrokerSocketEvents,
  type BrokerSocketOptions,
  type PeerKey,
} from './broker-socket.ts';
export { type Alarms, type Cancel, type Clock, systemAlarms, systemClock } from './clock.ts';
export {
  type Config,
  type ConfigResult,
  type ConfigSources,
  isEndpoint,
  loadConfig,
  type Origin,
  readHostPort,
  type SettingName,
  type Settings,
  saveSettings,
  settingVariables,
} from './config.ts';
export { type LogEvent, type LogReading, readLog } from './data-client.ts';
export { DataServer, type DataServerOptions } from './data-server.ts';
export type { DataSource } from './data-stream.ts';
export type { OutputName, TransferEnd } from './data-wire.ts';
export type { BrokerAddress, BrokerConnection, DealerEvents } from './dealer.ts';
export { type DuplexSession, openDuplex } from './duplex-session.ts';
export type {
  Duplex,
  DuplexOutput,
  ExecRequest,
  OpenExec,
  OpenKeep,
  OpenPush,
  PushRequest,
} from './duplex-stream.ts';
export { type ReadModel, readModel } from './gguf/read-model.ts';
export { type Grant, signGrant } from './grant.ts';
export { parseJson } from './json.ts';
export {
  type KeptLogHeader,
  keptLogHead,
  keptLogOf,
  mostHeadBytes,
  readKeptLogHead,
  resumedAt,
} from './kept-log.ts';
export { apiKeysTrouble, authorizedTrouble, keyTrouble } from './key-check.ts';
export {
  type CurveKeys,
  createIdentity,
  gridIdOf,
  type HelloProof,
  type Identity,
  identityFromSeed,
  loadIdentity,
  principalIdOf,
  renewIdentity,
  signHello,
  ticketIdOf,
  verifyHello,
  verifySignature,
  workerIdOf,
} from './keys.ts';
export { Link, type LinkOptions, type LinkOwner, type LinkState } from './link.ts';
export { AnswerSum } from './llama/answer-sum.ts';
export { askLlama, type Door, KeptConnections } from './llama/ask-llama.ts';
export { askModel } from './llama/ask-model.ts';
export {
  type DoorLoan,
  hereMark,
  isShown,
  type KeptDoor,
  type OpenedDoor,
  offerDoor,
  openDoor,
} from './llama/model-door.ts';
export { createLog, type Log, type LogLevel, type LogOptions } from './log.ts';
export { isMissing, namesIn } from './missing.ts';
export type { PushOutcome } from './outbox.ts';
export { Pace, slowWords } from './pace.ts';
export { aborted, pause } from './pause.ts';
export { placesBehind, placesBeside } from './places-beside.ts';
export { limitTableOf } from './principal-limits.ts';
export { identityOf, isAlive, isOfThisBoot, type ProcessIdentity } from './process-identity.ts';
export { prefixesOf } from './prompt-prefix.ts';
export { type Random, systemRandom } from './random.ts';
export { isReachedHere } from './reach-data.ts';
export { addressTowards, reachable } from './reachable.ts';
export { RelayLink } from './relay/relay-link.ts';
export { notedRelay, RelayNote } from './relay/relay-note.ts';
export { brokerSocketPath, makeRunFolder, removeRunFolder, runFolder } from './run-folder.ts';
export type { LogRange } from './serve-transfer.ts';
export { endSignal, type Service, startAll, stopAll } from './service.ts';
export { type ServiceManager, serviceManager } from './service-manager.ts';
export { shardOfKey } from './shard-of-key.ts';
export { tarBlockBytes, tarPadding, writeTarHeader } from './tar-header.ts';
export { type TarEntry, TarWalk } from './tar-walk.ts';
export { readTicket, signEnrolment, type Ticket, verifyEnrolment, writeTicket } from './ticket.ts';
export { readVoucher, serialAfter, signVoucher, type Voucher } from './voucher.ts';
export { askVoucher, voucherEndpoint } from './voucher-question.ts';
export { VoucherServer } from './voucher-server.ts';
