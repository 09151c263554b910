/**
 * The sockets of Cosmos accounts: one port each, kept for the account's life, so that the URL in a program's settings
 * stays right across restarts. Part of the composition root; separate because accounts come and go while it runs.
 */
import type { Account, AccountEndpoints } from "../cosmos/control.ts";
import type { Engine } from "../cosmos/engine/engine.ts";
import { ListenError, type Listener } from "../http/listen.ts";

export interface AccountSockets extends AccountEndpoints {
  /** Opens the sockets of all stored accounts; a port that another program took meanwhile is a ListenError. */
  openAll(): Promise<void>;
  closeAll(): Promise<void>;
}

/** How many ports above the first are tried for a new account before giving up. */
const portTries = 500;

export function openAccountSockets(options: {
  readonly engine: Engine;
  readonly firstPort: number;
  readonly listen: (port: number, account: string) => Promise<Listener>;
}): AccountSockets {
  const { engine } = options;
  const sockets = new Map<string, Promise<Listener>>();
  const open = async (account: string): Promise<number> => {
    const name = account.toLowerCase();
    let opening = sockets.get(name);
    if (opening === undefined) {
      const stored = engine.catalog.find(account)?.record.account.port;
      opening = stored === undefined ? openNext(options, account) : options.listen(stored, account);
      sockets.set(name, opening);
      opening.catch(() => sockets.delete(name));
    }
    return (await opening).port;
  };
  return {
    open,
    async openAll() {
      for (const { record } of engine.catalog.all()) {
        await open(record.account.name);
      }
    },
    close: (account) => void closeSockets(sockets, [account.toLowerCase()]),
    closeAll: () => closeSockets(sockets, [...sockets.keys()]),
    url: (account: Account) => `https://localhost:${account.port}/`,
  };
}

async function openNext(
  options: Parameters<typeof openAccountSockets>[0],
  account: string,
): Promise<Listener> {
  if (options.firstPort === 0) return options.listen(0, account);
  const taken = new Set([...options.engine.catalog.all()].map(({ record }) => record.account.port));
  for (let port = options.firstPort; port < options.firstPort + portTries; port++) {
    if (taken.has(port)) continue;
    try {
      return await options.listen(port, account);
    } catch (error) {
      if (!(error instanceof ListenError)) throw error;
    }
  }
  throw new ListenError(`No free port from ${options.firstPort} on for the account ${account}.`);
}

async function closeSockets(
  sockets: Map<string, Promise<Listener>>,
  names: readonly string[],
): Promise<void> {
  const closing = names.map((name) => sockets.get(name));
  for (const name of names) sockets.delete(name);
  for (const listener of closing) await (await listener?.catch(() => undefined))?.close();
}
