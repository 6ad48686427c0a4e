import { ANSWER_MS_MAX, pause } from "./stream";

/** What the origin announces of an event, in `status.json`. */
export interface Notice {
  title: string;
  state: "upcoming" | "live" | "ended";
  /** Time with zone, `null` when none is planned. */
  starts_at: string | null;
  /** The server's time at which this was said. */
  now: string;
  access: "free" | "paid";
  /** The playlist, when it is at another site. */
  url: string | null;
  /** What the page's own clock, `performance.now()`, showed then. */
  read_ms: number;
}

/** How often to ask what has become of an event. */
export const LOOK_MS = 5_000;

/** Reads a notice; `"none"` when nothing is announced under the name, which is percent-encoded. */
export async function readNotice(name: string): Promise<Notice | "none" | "unreachable"> {
  try {
    const response = await fetch(`/watch/${name}/status.json`, { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
    if (response.status === 404) return "none";
    if (!response.ok) return "unreachable";
    return { ...((await response.json()) as Omit<Notice, "read_ms">), read_ms: performance.now() };
  } catch {
    return "unreachable";
  }
}

/** Reads the first notice, however long the origin takes; `null` for a channel, which has none. */
export async function firstNotice(name: string, unreachable: () => void): Promise<Notice | null> {
  for (;;) {
    const notice = await readNotice(name);
    if (notice === "none") return null;
    if (notice !== "unreachable") return notice;
    unreachable();
    await pause(LOOK_MS);
  }
}

/** The notice that follows: one that cannot be read does not change what was said before. */
export async function nextNotice(name: string, notice: Notice): Promise<Notice> {
  const next = await readNotice(name);
  return next === "none" || next === "unreachable" ? notice : next;
}

/** Milliseconds until the event begins, by the server's clock; `null` when no time is planned. */
export function untilStart(notice: Notice): number | null {
  if (notice.starts_at === null) return null;
  return Date.parse(notice.starts_at) - Date.parse(notice.now) - (performance.now() - notice.read_ms);
}

/** What a countdown says with so much left. */
export function countdownWords(left_ms: number | null): string {
  if (left_ms === null || left_ms <= 0) return "Starting soon.";
  const seconds = Math.ceil(left_ms / 1000);
  const units: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const shown = units.slice(units.findIndex(([count]) => count > 0));
  const words = shown.map(([count, unit], index) => `${index > 0 ? String(count).padStart(2, "0") : count} ${unit}`);
  return `Starts in ${words.join(" ")}`;
}
