import type { Outcome } from "./play";
import { recordError } from "./report";
import { playingState } from "./state";
import { showLevels, showState, video } from "./view";

const TICK_MS = 500;

/** Plays with the browser's own HLS player until the stream ends or cannot be played. */
export async function playNatively(url: string, over?: AbortSignal): Promise<Outcome> {
  showLevels([], -1);
  // The browser tells nothing of the playlist but whether it has an end.
  const progress = () => ({ growing: video.duration === Infinity, still_ms: 0, still_ms_max: Infinity });
  const tick = setInterval(() => showState(playingState(video, progress())), TICK_MS);
  try {
    return await new Promise<Outcome>((resolve) => {
      const ended = (): void => resolve({ why: "ended" });
      video.onended = ended;
      over?.addEventListener("abort", ended);
      video.onerror = () => {
        const details = `MediaError ${video.error?.code ?? 0}`;
        recordError({ type: "native", details, fatal: true, message: video.error?.message ?? "" });
        resolve({ why: "failed", code: details });
      };
      video.src = url;
      // Refused when the browser wants a click first; the controls are there for that.
      void video.play().catch(() => undefined);
    });
  } finally {
    clearInterval(tick);
    video.onended = null;
    video.onerror = null;
    video.removeAttribute("src");
    video.load();
  }
}
