import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { defineConfig } from "vite";

/** Writes a gzip-coded twin beside each built file, so that the origin need not compress. */
function gzipTwins() {
  let folder;
  return {
    name: "gzip-twins",
    apply: "build",
    configResolved: (config) => {
      folder = config.build.outDir;
    },
    closeBundle: () => {
      for (const sub of [folder, join(folder, "assets")]) {
        for (const entry of readdirSync(sub, { withFileTypes: true })) {
          if (!entry.isFile() || entry.name.endsWith(".gz")) continue;
          const path = join(sub, entry.name);
          writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        }
      }
    },
  };
}

export default defineConfig({
  base: "/",
  build: {
    // Nothing inline: the page's security policy allows no `data:` URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // hls.js is most of the one script there is.
    chunkSizeWarningLimit: 700,
  },
  plugins: [gzipTwins()],
});
