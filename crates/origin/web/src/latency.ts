import { BarReader, age, quantile } from "./bars";
import { report } from "./report";

/** Frames of which one is read: reading costs, and ten a second are plenty. */
const EVERY = 3;
/** Readings that are shown together: about ten seconds. */
const SHOWN = 100;
/** An age beyond this is another clock than ours. */
const AGE_MS_MAX = 60_000;

/** Reads the clock in the picture and shows how long ago it was burnt in. `dateAt` gives the playlist's date of a
 *  media time. */
export function watchClock(video: HTMLVideoElement, dateAt: (mediaTime: number) => number | null): void {
  const reader = new BarReader();
  const shown = document.createElement("p");
  shown.className = "latency-clock";
  video.after(shown);
  report.clock = { readings: 0, rejected: 0, last_ms: null, median_ms: null, p95_ms: null, pdt_difference_ms: null };
  const ages: number[] = [];
  let frame = 0;
  const look: VideoFrameRequestCallback = (_, { mediaTime }) => {
    video.requestVideoFrameCallback(look);
    frame += 1;
    if (frame % EVERY !== 0 || !report.clock) return;
    const read = reader.read(video);
    const [now, date] = [Date.now(), dateAt(mediaTime)];
    const found = read === null ? null : age(read, now);
    if (found === null || found > AGE_MS_MAX) {
      report.clock.rejected += 1;
      return;
    }
    ages.push(found);
    ages.splice(0, ages.length - SHOWN);
    report.clock.readings += 1;
    report.clock.last_ms = found;
    report.clock.median_ms = quantile(ages, 0.5);
    report.clock.p95_ms = quantile(ages, 0.95);
    report.clock.pdt_difference_ms = date === null ? null : date - (now - found);
    shown.textContent = sentence();
  };
  video.requestVideoFrameCallback(look);
}

function sentence(): string {
  const seconds = (ms: number | null | undefined): string => (ms == null ? "?" : `${(ms / 1000).toFixed(2)} s`);
  const { clock, latency_s } = report;
  const date = clock?.pdt_difference_ms;
  const difference = date == null ? "" : `, the playlist's dates are ${Math.round(date)} ms after the picture's clock`;
  return `Capture to screen: ${seconds(clock?.median_ms)} (95 % below ${seconds(clock?.p95_ms)}); by the playlist ${
    latency_s === null ? "?" : `${latency_s.toFixed(2)} s`
  }${difference}.`;
}
