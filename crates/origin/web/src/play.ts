/** Why a player is done with a stream. */
export type Outcome = { why: "ended" } | { why: "gone" } | { why: "failed"; code: string };

/** Plays what is at a URL until it ends, goes away, cannot be played, or is over for who watches. */
export type Play = (url: string, over?: AbortSignal) => Promise<Outcome>;

/** Pause before a player that failed is begun anew. */
export const RETRY_MS = 3_000;
