import { defineConfig } from "vite";

export default defineConfig({
  // Served from any folder.
  base: "./",
  build: { chunkSizeWarningLimit: 2000 },
  server: { fs: { strict: false } },
});
