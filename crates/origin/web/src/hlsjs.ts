import Hls, { ErrorTypes, Events, type ErrorData, type LevelDetails, type LoadPolicy, type RetryConfig } from "hls.js";
import workerPath from "hls.js/dist/hls.worker.js?url";
import type { Outcome } from "./play";
import { recordError, report } from "./report";
import { PromptSound } from "./sound";
import { playingState, type Progress } from "./state";
import { jittered } from "./stream";
import { AUTO, onQuality, showLatency, showLevel, showLevels, showState, video } from "./view";

/** Fatal errors of media, with nothing played in between, after which the player is given up and begun anew. */
const REPAIRS_MAX = 3;
const FORBIDDEN = 403;
/** What hls.js has for the status of a request that nobody answered. */
const NO_ANSWER = 0;
/** Requests that may fail in a row; those for picture and for sound count together. With the pause, 10 to 28 seconds. */
const FAILURES_MAX = 20;
/** At most; {@link jittered}. */
const FAILURE_PAUSE_MS = 1_400;
/** Target durations without a new segment after which the encoder is taken to be gone. */
const STILL_TARGETS_MAX = 3;
/** Media behind the playhead that is kept, in seconds, for looking back without loading it again. */
const BACK_BUFFER_S = 30;
/** A latency beyond this is a clock that is wrong, not a stream that is late. */
const LATENCY_S_MAX = 600;
const TICK_MS = 500;
/** A player that has stood still for this long, although there is media after what it shows, is stuck, or on a link that
 *  is too slow for what it loads: a new one begins small. */
const STARVED_MS_MAX = 20_000;
/** Few people hear it. */
const CATCH_UP_RATE = 1.05;
/** How far two times of the same media may differ, in seconds. */
const TIMES_DIFFER_S = 0.2;

/** Height of the quality that the viewer has chosen; it outlives the player. */
let chosenHeight: number | null = null;

/** The playlist's date, in milliseconds since 1970, of what is shown at a media time. */
let dateAt: (mediaTime: number) => number | null = () => null;

/** See {@link dateAt}; it follows the player that is running. */
export const playlistDateAt = (mediaTime: number): number | null => dateAt(mediaTime);

/** Plays until the stream ends, goes away or cannot be played. */
export async function playWithHlsJs(url: string, over?: AbortSignal): Promise<Outcome> {
  const { playlistLoadPolicy, fragLoadPolicy } = Hls.DefaultConfig;
  const hls = new Hls({
    workerPath,
    playlistLoadPolicy: patient(playlistLoadPolicy),
    fragLoadPolicy: patient(fragLoadPolicy),
    audioStreamController: PromptSound,
    backBufferLength: BACK_BUFFER_S,
    liveDurationInfinity: true,
    // After a stall the player would stay late for good; a little faster it is back where it should be.
    maxLiveSyncPlaybackRate: CATCH_UP_RATE,
  });
  dateAt = (mediaTime) => {
    const date = hls.playingDate?.getTime();
    return date === undefined ? null : date + (mediaTime - video.currentTime) * 1000;
  };
  const clock = new PlaylistClock();
  offerLevels(hls);
  hls.on(Events.LEVEL_UPDATED, (_, { details }) => clock.update(details));
  let ended = (): void => undefined;
  let stuck = (): void => undefined;
  // Counted in ticks, which neither a sleeping computer nor a hidden tab has.
  let starvedMs = 0;
  const tick = setInterval(() => {
    if (clock.isPlayedOut(video.currentTime)) ended();
    const state = playingState(video, clock.progress());
    starvedMs = state === "buffering" && clock.hasMore(video.currentTime) ? starvedMs + TICK_MS : 0;
    if (starvedMs > STARVED_MS_MAX) stuck();
    showState(state);
    showLatency(latency(hls));
  }, TICK_MS);
  try {
    return await new Promise<Outcome>((resolve) => {
      ended = () => resolve({ why: "ended" });
      stuck = () => {
        const message = `nothing played for ${STARVED_MS_MAX} ms at ${video.currentTime}`;
        recordError({ type: "stuck", details: "stuck", fatal: true, message });
        // What is left of a stream that has its end is given up.
        resolve(clock.progress().growing ? { why: "failed", code: "stuck" } : { why: "ended" });
      };
      video.onended = ended;
      over?.addEventListener("abort", ended);
      repairErrors(hls, resolve);
      hls.loadSource(url);
      hls.attachMedia(video);
      // Refused when the browser wants a click first; the controls are there for that.
      hls.once(Events.MANIFEST_PARSED, () => void video.play().catch(() => undefined));
    });
  } finally {
    clearInterval(tick);
    video.onended = null;
    hls.destroy();
    showLatency(null);
  }
}

/** Has a request that fails made again for a while. hls.js takes one that nobody answers for a forbidden one (CORS looks
 *  the same to it), goes through the renditions at once and stops; here it is a server that starts anew, or a way to it
 *  that is cut for a moment. */
function patient({ default: usual }: LoadPolicy): LoadPolicy {
  const pause = jittered(FAILURE_PAUSE_MS);
  const errorRetry: RetryConfig = {
    maxNumRetry: FAILURES_MAX,
    retryDelayMs: pause,
    maxRetryDelayMs: pause,
    shouldRetry: (_config, failures, _isTimeout, response, usually) =>
      response?.code === NO_ANSWER ? failures < FAILURES_MAX : usually,
  };
  return { default: { ...usual, errorRetry } };
}

/** Mends what can be mended and gives up, through `resolve`, on the rest. */
function repairErrors(hls: Hls, resolve: (outcome: Outcome) => void): void {
  let repairs = 0;
  hls.on(Events.FRAG_BUFFERED, () => (repairs = 0));
  hls.on(Events.ERROR, (_, data: ErrorData) => {
    recordError({ type: data.type, details: data.details, fatal: data.fatal, message: data.error.message });
    // A ticket does not become valid again.
    if (data.response?.code === FORBIDDEN) resolve({ why: "gone" });
    if (!data.fatal) return;
    // Without a multivariant playlist there is nothing to mend.
    if (data.type === ErrorTypes.MEDIA_ERROR && hls.levels.length > 0 && repairs < REPAIRS_MAX) {
      repairs += 1;
      hls.recoverMediaError();
    } else {
      resolve(data.type === ErrorTypes.NETWORK_ERROR ? { why: "gone" } : { why: "failed", code: data.details });
    }
  });
}

function offerLevels(hls: Hls): void {
  hls.on(Events.MANIFEST_PARSED, (_, { levels }) => {
    const chosen = levels.findIndex((level) => level.height === chosenHeight);
    if (chosen !== AUTO) hls.currentLevel = chosen;
    showLevels(
      levels.map(({ width, height, bitrate }) => ({ width, height, bitrate })),
      chosen,
    );
  });
  hls.on(Events.LEVEL_SWITCHED, (_, { level }) => showLevel(level));
  onQuality((index) => {
    chosenHeight = report.levels[index]?.height ?? null;
    hls.nextLevel = index;
  });
}

/** Remembers when media last came. Gaps make the playlist longer too, but there is nothing to play in them. */
class PlaylistClock {
  private end = 0;
  private grew = performance.now();
  private details: LevelDetails | null = null;

  update(details: LevelDetails): void {
    const media = [...details.fragments, ...(details.partList ?? [])].filter((piece) => !piece.gap);
    const end = media.reduce((latest, piece) => Math.max(latest, piece.end), 0);
    // Times are corrected by a little when media are loaded.
    if (end > this.end + TIMES_DIFFER_S) {
      this.end = end;
      this.grew = performance.now();
    }
    this.details = details;
  }

  progress(): Progress {
    return {
      growing: this.details?.live ?? true,
      still_ms: performance.now() - this.grew,
      still_ms_max: (this.details?.targetduration ?? Infinity) * 1000 * STILL_TARGETS_MAX,
    };
  }

  /** Whether there is media after a time. */
  hasMore(time: number): boolean {
    return time < this.end - TIMES_DIFFER_S;
  }

  /** Whether the stream has its end and nothing but a gap is left of it, at which the player would wait for ever. */
  isPlayedOut(time: number): boolean {
    const last = this.details?.fragments.at(-1);
    return this.details?.live === false && last?.gap === true && !this.hasMore(time);
  }
}

/** Seconds from capture to screen: by the wall clock in the playlist where there is one, since the distance to
 *  the live edge leaves out what it took to get there. */
function latency(hls: Hls): number | null {
  const captured = hls.playingDate?.getTime();
  const seconds = captured === undefined ? hls.latency : (Date.now() - captured) / 1000;
  return seconds > 0 && seconds < LATENCY_S_MAX ? seconds : null;
}
