// Has hls-parser, in its strict mode, read every playlist of a folder: `node judge.mjs FOLDER`, as kept by `weir-hls-lint --keep`.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, setOptions } from "hls-parser";

setOptions({ strictMode: true });
const [folder] = process.argv.slice(2);
const refused = new Map();
const names = readdirSync(folder).sort();
for (const name of names) {
  try {
    parse(readFileSync(join(folder, name), "utf8"));
  } catch (error) {
    refused.set(error.message, [...(refused.get(error.message) ?? []), name]);
  }
}
for (const [message, files] of refused) console.log(`${files.length} times, first in ${files[0]}: ${message}`);
console.log(`${names.length} playlists read, ${[...refused.values()].flat().length} refused`);
process.exitCode = refused.size > 0 ? 1 : 0;
