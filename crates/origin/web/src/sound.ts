import Hls, { Events } from "hls.js";

/** What loads the sound. It is there in every build of hls.js that this page has. */
const HlsSound = Hls.DefaultConfig.audioStreamController!;

/** Has sound that waits for its picture go on as soon as the picture's times are known. hls.js 1.7.4 looks again only
 *  after up to 100 ms. When the next part of the same segment comes in between, the waiting part is forgotten, loading
 *  of sound never ends, and the player stands at the hole: at every discontinuity there is a chance of it. */
export class PromptSound extends HlsSound {
  constructor(...all: ConstructorParameters<typeof HlsSound>) {
    super(...all);
    all[0].on(Events.INIT_PTS_FOUND, () => this.tick());
  }
}
