/** Retrieval: parts documents into passages that can be kept, ranked and cited. */
export { type Block, type Chunk, type ChunkLimits, chunkLimits } from './core/chunk/block.ts';
export { chunkBlocks } from './core/chunk/chunk-blocks.ts';
export {
  averagePrecision,
  type Judgments,
  ndcg,
  type Quality,
  quality,
  recall,
  reciprocalRank,
} from './core/evaluate/measures.ts';
export { readQrels, readRun, type TrecRead } from './core/evaluate/trec.ts';
export { type Fused, fuse, type Ranking } from './core/fuse/reciprocal-rank.ts';
export {
  type Candidate,
  type Feedback,
  type Learned,
  learnFrom,
  relearned,
} from './core/learn/learned.ts';
export { type Replayed, replay } from './core/learn/replay.ts';
export { type RankSettings, rankSettings, type TermScore } from './core/score/rank.ts';
export {
  type DocumentLimits,
  DocumentParser,
  documentLimits,
  type ParsedDocument,
} from './parse/parse-document.ts';
export { ProcessParser } from './parse/process-parser.ts';
export type { Ingesting } from './service/bring-files.ts';
export type { SourceFile } from './service/given-files.ts';
export { RetrievalService } from './service/retrieval-service.ts';
export type { Beginning } from './service/roots.ts';
export { filesOfShard, unitOf } from './service/shard-units.ts';
export { openSqliteStore, type SqliteStoreOptions } from './store/sqlite-store.ts';
export {
  type Passage,
  type Source,
  type SourceChange,
  type SourceState,
  type Store,
  StoreError,
  type StoreErrorCode,
  type StoreQuery,
} from './store/store.ts';
export { folderOrigin } from './sync/folder-origin.ts';
export type { Origin, OriginFile, OriginRead } from './sync/origin.ts';
export {
  type SyncOptions,
  type SyncProgress,
  type SyncReport,
  syncCollection,
} from './sync/sync-collection.ts';
