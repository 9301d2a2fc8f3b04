/** Submit tasks to a grid, watch them, ask it questions. */
export {
  type Failure,
  type FailureCode,
  formatTaskId,
  GridError,
  parseTaskId,
  type TaskId,
} from '@gryphgen/protocol';
export { type ArtifactAsker, bringArtifact, fetchArtifactOf, type TransferOptions } from './artifacts.ts';
export type { SubmitOptions, Submitted, WatchOptions } from './calls.ts';
export { Client, type ClientOptions } from './client.ts';
export { type ConnectOptions, connect } from './connect.ts';
export type { ClientEffect } from './core/effects.ts';
export type { ClientEvent } from './core/events.ts';
export { type ClientBounds, type ClientState, createClientState } from './core/state.ts';
export { composeClientHello, stepClient } from './core/step.ts';
export { engineRelease, type WantedRelease } from './download/engine-release.ts';
export { documentAddress, type FetchedDocument, fetchDocument } from './download/fetch-document.ts';
export { type FileFetch, fetchFile } from './download/fetch-file.ts';
export { type FetchedModel, type FetchOptions, fetchModel, sourceOf } from './download/fetch-model.ts';
export type { ModelSource } from './download/model-source.ts';
export type { ExecOptions } from './exec.ts';
export {
  embedCollection,
  type FillOptions,
  type FillProgress,
  fillVectors,
} from './fill-vectors.ts';
export { type ArchivedImage, orderOf, readImageArchive } from './images/image-archive.ts';
export { type ImagePush, type PushAsker, pushImage } from './images/push-image.ts';
export {
  askChat,
  type ChatEnd,
  type ChatMessage,
  type ChatOptions,
  type ChatQuestion,
  readChat,
} from './inference/chat.ts';
export {
  type Embedded,
  type EmbeddingModel,
  type EmbedOptions,
  embedTexts,
} from './inference/embed-texts.ts';
export type { Answer, AnswerHead, AnswerProgress, AnswerWay } from './inference/open-answer.ts';
export type { Question } from './inference/question.ts';
export { refusalOf } from './inference/refusal.ts';
export { type AskOptions, Inference, type InferenceAsker } from './inference.ts';
export { joinGrid } from './join.ts';
export { KnownBroker } from './known-broker.ts';
export type { LogOptions } from './logs.ts';
export {
  brokerAddresses,
  gridOf,
  hasMembership,
  loadMembership,
  type Membership,
  replaceMembership,
  saveMembership,
} from './membership.ts';
export { modelFor, modelNamed } from './model-choice.ts';
export {
  addModel,
  type BringOptions,
  type ModelAsker,
  type ModelFile,
  type ModelSettings,
  pinModel,
  readModelFile,
  servingOf,
  useOf,
} from './models.ts';
export type { Outcome } from './pending.ts';
export {
  type EncodedTask,
  type LocalInput,
  type PreparedTask,
  prepareTask,
  type TaskSpec,
} from './prepare.ts';
export {
  askCollection,
  type CollectionAsker,
  type CollectionQuestion,
  mostPassagesAsked,
} from './retrieval/ask-collection.ts';
export type { AskCollectionOptions, AskStep } from './retrieval/ask-progress.ts';
export type { RetrievalAsker } from './retrieval/ask-shard.ts';
export type { Citation, CollectionAnswer, PackedPassage } from './retrieval/ask-steps.ts';
export { collectionNamed } from './retrieval/collection-shards.ts';
export {
  type BehindShard,
  type CollectionQuery,
  type Found,
  type MissingShard,
  type QueryOptions,
  queryCollection,
} from './retrieval/query-collection.ts';
export { queryReranked } from './retrieval/rerank-passages.ts';
export { tellUsed, type UsedFiles, type UsedTeller } from './retrieval/tell-used.ts';
export {
  accessed,
  collectionWeights,
  forgotten,
  ingested,
  ingestTask,
  listCollections,
  listFailed,
  revealText,
  weighed,
} from './retrieval.ts';
export { measureRound, roundQuestions } from './tuning/measure-round.ts';
export type { ReadingShape, RoundShape } from './tuning/round-shape.ts';
export {
  type Measured,
  middle,
  type SearchEnd,
  type SettingsTrial,
  searchSettings,
} from './tuning/search-settings.ts';
export { type Choosing, dimensionsFor } from './tuning/settings-choices.ts';
