import { report, type Level } from "./report";
import { SENTENCES, type State } from "./state";
import type { Found } from "./stream";

/** Value of the selector that leaves the choice to the player. */
export const AUTO = -1;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no element "${id}"`);
  return found as T;
}

export const video = element<HTMLVideoElement>("video");
const status = element("status");
const quality = element<HTMLSelectElement>("quality");
const qualityLabel = element("quality-label");
const latency = element("latency");
const playing = element("playing");
const countdown = element("countdown");
const preview = element("preview");

/** Says how things stand, in words of its own where the usual ones will not do; `detail` is an error code. */
export function showState(state: State, detail = "", words = SENTENCES[state]): void {
  const sentence = words + (detail ? ` (${detail})` : "");
  report.state = state;
  // Written only when it changed: screen readers read it aloud.
  if (status.textContent !== sentence) status.textContent = sentence;
  document.body.dataset["state"] = state;
}

/** Says what was found where a stream is awaited. */
export function showFound(found: Found): void {
  showState(({ there: "starting", missing: "waiting", refused: "ticket", unreachable: "unreachable" } as const)[found]);
}

export function showChannel(name: string): void {
  element("channel").textContent = name;
  document.title = `${name} · live`;
}

/** The words in the place of the picture, if any. They change every second and are not read aloud. */
export function showCountdown(words: string | null): void {
  countdown.textContent = words;
  countdown.hidden = words === null;
}

/** Whether to say that what plays is not public. */
export function showPreview(shown: boolean): void {
  preview.hidden = !shown;
}

export function showLatency(seconds: number | null): void {
  report.latency_s = seconds;
  latency.textContent = seconds === null ? "" : `${seconds.toFixed(1)} s behind`;
}

/** Offers qualities, best first; with one or none there is nothing to choose. */
export function showLevels(levels: Level[], chosen: number): void {
  report.levels = levels;
  const choices = levels.map((level, index) => new Option(levelName(level), String(index)));
  choices.reverse();
  choices.sort((a, b) => (levels[Number(b.value)]?.height ?? 0) - (levels[Number(a.value)]?.height ?? 0));
  quality.replaceChildren(new Option("Auto", String(AUTO)), ...choices);
  quality.value = String(chosen);
  qualityLabel.hidden = levels.length < 2;
}

export function showLevel(index: number): void {
  report.level = index;
  const level = report.levels[index];
  playing.textContent = level ? `${level.width}×${level.height}` : "";
}

/** Calls `choose` with an index into the levels, or {@link AUTO}. */
export function onQuality(choose: (index: number) => void): void {
  quality.onchange = () => choose(Number(quality.value));
}

function levelName(level: Level): string {
  return level.height > 0 ? `${level.height}p` : `${Math.round(level.bitrate / 1000)} kbit/s`;
}
