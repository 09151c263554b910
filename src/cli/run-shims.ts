/** The folder with `az` and `azd` that `run --as-user` puts first on the PATH. */
import { chmod, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ShimSettings } from "./az-shim.ts";

const shimFile = fileURLToPath(new URL("./az-shim.js", import.meta.url));

/** Writes both tools into `folder` and returns the PATH that finds them first. */
export async function writeShims(
  folder: string,
  settings: ShimSettings,
  path: string | undefined,
): Promise<string> {
  const settingsFile = join(folder, "shim.json");
  await writeFile(settingsFile, JSON.stringify(settings), { mode: 0o600 });
  for (const tool of ["az", "azd"]) {
    const file = join(folder, tool);
    // The program's own Node options (a preload, an inspector) are not for the tool.
    const line = `NODE_OPTIONS= exec ${quote(process.execPath)} ${quote(shimFile)} ${quote(settingsFile)} ${tool} "$@"`;
    await writeFile(file, `#!/bin/sh\n${line}\n`);
    await chmod(file, 0o700);
  }
  return path === undefined || path === "" ? folder : `${folder}${delimiter}${path}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
