import { report, type Level } from "./report";
import { SENTENCES, type State } from "./state";

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

/** Says how things stand; `detail` is an error code. */
export function showState(state: State, detail = ""): void {
  const sentence = SENTENCES[state] + (detail ? ` (${detail})` : "");
  report.state = state;
  // Written only when it changed: screen readers read it aloud.
  if (status.textContent !== sentence) status.textContent = sentence;
  document.body.dataset["state"] = state;
}

export function showChannel(name: string): void {
  element("channel").textContent = name;
  document.title = `${name} · live`;
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
