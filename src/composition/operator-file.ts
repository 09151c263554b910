/** The file in the data directory that tells the command line where a running server is, and its secret; mode 0600. */
import { chmod, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

export const operatorFile = "operator.json";

export async function writeOperatorFile(
  directory: string,
  content: { url: string; secret: string },
): Promise<void> {
  const path = join(directory, operatorFile);
  await writeFile(path, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  // The mode above counts only for a new file.
  await chmod(path, 0o600);
}

/** Removes the file that has this secret; one that another server has written since stays. */
export async function removeOperatorFile(directory: string, secret: string): Promise<void> {
  const path = join(directory, operatorFile);
  const text = await readFile(path, "utf8").catch(() => "");
  if (text.includes(JSON.stringify(secret))) await rm(path, { force: true });
}
