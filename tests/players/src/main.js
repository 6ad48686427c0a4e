// One page for all engines: ?engine=hlsjs|shaka|videojs&url=... plays, and tells in `window.player` how it goes.
import { BarReader, age, quantile } from "../../../crates/origin/web/src/bars.ts";
import { engines } from "./engines.js";

/** Frames of which one is read for its clock. */
const EVERY = 3;

const parameters = new URLSearchParams(location.search);
const video = document.getElementById("video");
const player = {
  engine: parameters.get("engine"),
  /** Errors after which nothing is played, and all of them in words. */
  fatal: 0,
  errors: [],
  /** Times that the picture stood still after it had begun, and for how long in all. */
  stalls: 0,
  stalled_ms: 0,
  /** Milliseconds from capture to screen of the frames read. */
  readings: 0,
  rejected: 0,
  median_ms: null,
  p95_ms: null,
  dropped: 0,
  time: 0,
};
window.player = player;

let begun = false;
let waitingSince = null;
video.addEventListener("playing", () => {
  begun = true;
  if (waitingSince !== null) player.stalled_ms += performance.now() - waitingSince;
  waitingSince = null;
});
video.addEventListener("waiting", () => {
  if (!begun || waitingSince !== null) return;
  player.stalls += 1;
  waitingSince = performance.now();
});
setInterval(() => {
  player.time = video.currentTime;
  player.dropped = video.getVideoPlaybackQuality().droppedVideoFrames;
}, 250);

const reader = new BarReader();
const ages = [];
let frame = 0;
function look() {
  video.requestVideoFrameCallback(look);
  frame += 1;
  if (frame % EVERY !== 0) return;
  const clock = reader.read(video);
  if (clock === null) {
    player.rejected += 1;
    return;
  }
  ages.push(age(clock, Date.now()));
  player.readings = ages.length;
  player.median_ms = quantile(ages, 0.5);
  player.p95_ms = quantile(ages, 0.95);
}
video.requestVideoFrameCallback(look);

/** What has been read and counted so far does not count. */
window.restart = () => {
  ages.length = 0;
  Object.assign(player, { stalls: 0, stalled_ms: 0, readings: 0, rejected: 0, median_ms: null, p95_ms: null });
};

function failed(fatal, what) {
  player.fatal += fatal ? 1 : 0;
  player.errors.push(what);
}

engines[player.engine](video, parameters.get("url"), failed).catch((error) => failed(true, String(error)));
