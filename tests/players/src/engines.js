/** How each engine is begun: with its own low-latency mode where that has to be asked for, and nothing else changed. */
export const engines = {
  async hlsjs(video, url, failed) {
    const { default: Hls } = await import("hls.js");
    const hls = new Hls();
    hls.on(Hls.Events.ERROR, (_, data) => failed(data.fatal, `${data.type} ${data.details}`));
    hls.loadSource(url);
    hls.attachMedia(video);
    hls.on(Hls.Events.MANIFEST_PARSED, () => video.play());
  },

  async shaka(video, url, failed) {
    const { default: shaka } = await import("shaka-player/dist/shaka-player.compiled.js");
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    await player.attach(video);
    player.configure({ streaming: { lowLatencyMode: true } });
    const critical = shaka.util.Error.Severity.CRITICAL;
    player.addEventListener("error", ({ detail }) => failed(detail.severity === critical, `shaka ${detail.code}`));
    await player.load(url);
    await video.play();
  },

  async videojs(video, url, failed) {
    const { default: videojs } = await import("video.js");
    const html5 = { vhs: { llhls: true, overrideNative: true }, nativeAudioTracks: false, nativeVideoTracks: false };
    const player = videojs(video, { muted: true, autoplay: true, liveui: false, html5 });
    player.on("error", () => failed(true, `video.js ${player.error()?.code} ${player.error()?.message}`));
    player.src({ src: url, type: "application/vnd.apple.mpegurl" });
  },
};
