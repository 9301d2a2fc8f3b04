/** What is asked of a model that is measured, a round of requests at a time, and what one of them comes to. */

interface RoundSize {
  /** Requests at a time. */
  readonly load: number;
  /** Of each request; of one that embeds or ranks of each text, or of each document beside its query: no more than those. */
  readonly promptTokens: number;
}
export interface WritingShape extends RoundSize {
  readonly use: 'infer';
  readonly outputTokens: number;
}
export interface ReadingShape extends RoundSize {
  readonly use: 'embed' | 'rerank';
  /** That one request has embedded, or documents that it has ranked. */
  readonly texts: number;
}
export type RoundShape = WritingShape | ReadingShape;

/** Its times are as the server says; of one that says none the round's are what there is. */
export interface Computed {
  readonly promptTokens: number;
  readonly promptMs?: number;
  readonly outputTokens: number;
  readonly outputMs?: number;
}

/** Asks the request with this number. Throws GridError where it is not answered. */
export type RoundQuestions = (number: number) => Promise<Computed>;
