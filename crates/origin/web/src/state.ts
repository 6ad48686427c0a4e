/** What a viewer is told, and nothing else, about how things stand. */
export type State =
  | "waiting"
  | "unreachable"
  | "starting"
  | "live"
  | "paused"
  | "buffering"
  | "interrupted"
  | "ending"
  | "ended"
  | "error"
  | "upcoming"
  | "ticket"
  | "expired"
  | "refused"
  | "elsewhere";

export const SENTENCES: Record<State, string> = {
  waiting: "Waiting for the stream to begin.",
  unreachable: "The server does not answer. Trying again.",
  starting: "The stream is there. Starting.",
  live: "Live.",
  paused: "Paused.",
  buffering: "Buffering.",
  interrupted: "The stream is interrupted. It goes on by itself.",
  ending: "The stream has ended. This is the last of it.",
  ended: "The stream has ended.",
  error: "Playback failed. Trying again.",
  upcoming: "Not on air yet.",
  ticket: "This stream needs a ticket.",
  expired: "Your ticket has expired.",
  refused: "Your ticket is not valid for this stream.",
  elsewhere: "The stream comes from another site and cannot be played here now. Trying again.",
};

/** How a viewer's ticket stands, by the origin's reason for refusing the token in it. */
export function ticketState(reason: string): State {
  if (reason.includes("missing")) return "ticket";
  return reason.includes("expired") ? "expired" : "refused";
}

/** What is known of a stream that is being played. */
export interface Progress {
  /** Whether the playlist is still growing, that is, has no end yet. */
  growing: boolean;
  /** Milliseconds since the playlist last grew. */
  still_ms: number;
  /** A playlist that has not grown for this long will not feed the player any more. */
  still_ms_max: number;
}

/** How things stand with a player. */
export function playingState(video: HTMLVideoElement, progress: Progress): State {
  if (video.ended) return "ended";
  if (video.readyState === HTMLMediaElement.HAVE_NOTHING) return "starting";
  const starved = video.readyState < HTMLMediaElement.HAVE_FUTURE_DATA;
  if (progress.growing && starved && progress.still_ms > progress.still_ms_max) return "interrupted";
  if (video.paused) return "paused";
  if (starved) return "buffering";
  return progress.growing ? "live" : "ending";
}
