/**
 * A user without any rights, for what must work without them: continuous integration runs as root, and root may do what
 * nobody else may. Such a user cannot look into root's home, where runtimes and packages often are, so it gets copies.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

/** As what a child process runs; `home` is its own and writable. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

export interface ThrowAway {
  /** Without one our own rights are few enough already. */
  readonly account?: Account;
  /**
   * The path under which the user can read a file, or a folder with all in it: its own, or that of a copy. Of a folder
   * only `members` are looked at and copied, where they are given.
   */
  reach(path: string, members?: readonly string[]): string;
  remove(): void;
}

/** In no user database, on purpose: it owns nothing and is in no group. */
const freeUserId = 64_321;

/** A user of no rights when we are root; otherwise nothing changes. */
export function createThrowAway(): ThrowAway {
  if (process.getuid?.() !== 0) return { reach: (path) => path, remove: () => {} };
  const stage = mkdtempSync(join(tmpdir(), "celestite-nobody-"));
  const home = join(stage, "home");
  const account: Account = { uid: freeUserId, gid: freeUserId, home };
  mkdirSync(home, { mode: 0o700 });
  chownSync(home, account.uid, account.gid);
  // The user may pass through, not look around.
  execFileSync("chmod", ["711", stage]);
  const copies = new Map<string, string>();
  return {
    account,
    reach(path, members = [""]) {
      const known = copies.get(path);
      if (known !== undefined) return known;
      const readable = members.every((member) => canRead(account, join(path, member)));
      const place = readable ? path : join(stage, String(copies.size), basename(path));
      for (const member of readable ? [] : members) {
        mkdirSync(dirname(join(place, member)), { recursive: true, mode: 0o755 });
        copyTree(join(path, member), join(place, member));
      }
      copies.set(path, place);
      return place;
    },
    remove: () => rmSync(stage, { recursive: true, force: true }),
  };
}

function canRead({ uid, gid }: Account, path: string): boolean {
  // A folder is read to its depths: somebody may have closed one of its own.
  const look = spawnSync("find", [path, "!", "-readable", "-print", "-quit"], {
    uid,
    gid,
    cwd: "/",
    encoding: "utf8",
  });
  return look.status === 0 && look.stdout === "";
}

/** Links where both are on one file system, as that costs nothing; whole copies elsewhere. */
function copyTree(from: string, to: string): void {
  const linked = spawnSync("cp", ["-al", from, to], { stdio: "ignore" });
  if (linked.status === 0) return;
  rmSync(to, { recursive: true, force: true });
  execFileSync("cp", ["-a", from, to]);
}
