import type { Notice } from "./notice";
import type { State } from "./state";

/** One error of the player, fatal or not. */
export interface PlayerError {
  /** Milliseconds since the page was opened. */
  at_ms: number;
  type: string;
  details: string;
  fatal: boolean;
  message: string;
}

/** A quality that can be chosen. */
export interface Level {
  width: number;
  height: number;
  /** Bits per second, as the playlist says. */
  bitrate: number;
}

/** What was read from the clock in the picture, with `?latency`. */
export interface ClockReport {
  /** Frames read, and frames in which there was no clock to be read. */
  readings: number;
  rejected: number;
  /** Milliseconds from capture to screen: of the newest frame, and of the last hundred read. */
  last_ms: number | null;
  median_ms: number | null;
  p95_ms: number | null;
  /** The playlist's date of the newest frame minus the clock in it, in milliseconds. */
  pdt_difference_ms: number | null;
}

/** What the page knows of itself, as `window.weir`: for tests, and for whoever looks into a complaint. */
export interface Report {
  state: State;
  /** How far the event has come, `null` for a channel that announces none. */
  notice: Notice["state"] | null;
  engine: "hls.js" | "native" | null;
  /** Players started since the page was opened; more than one means that one was given up. */
  players: number;
  /** The newest errors, at most {@link ERRORS_MAX}. */
  errors: PlayerError[];
  /** How many errors, of all there were, were fatal. */
  fatal: number;
  levels: Level[];
  /** Index into `levels` of what is being played, -1 when that is not known. */
  level: number;
  /** Seconds from capture to screen, `null` when that is not known. */
  latency_s: number | null;
  /** Absent without `?latency`. */
  clock?: ClockReport;
}

declare global {
  interface Window {
    weir: Report;
  }
}

/** A player in trouble can report many errors a second, for hours. */
const ERRORS_MAX = 100;

export const report: Report = {
  state: "waiting",
  notice: null,
  engine: null,
  players: 0,
  errors: [],
  fatal: 0,
  levels: [],
  level: -1,
  latency_s: null,
};

export function recordError(error: Omit<PlayerError, "at_ms">): void {
  report.errors.push({ at_ms: Math.round(performance.now()), ...error });
  report.errors.splice(0, report.errors.length - ERRORS_MAX);
  report.fatal += error.fatal ? 1 : 0;
}
