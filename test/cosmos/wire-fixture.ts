/** The data plane of a fixture on a real TLS socket, for unmodified SDKs with any kind of credential. */
import { Agent } from "node:https";
import { openEntropy, systemClock } from "../../src/clock.ts";
import { accountService } from "../../src/cosmos/gateway.ts";
import { listen } from "../../src/http/listen.ts";
import { openAuthority } from "../../src/tls/authority.ts";
import { withDirectory } from "../fixtures.ts";
import { accountName, type CosmosFixture } from "./fixture.ts";

export interface Wire {
  readonly endpoint: string;
  /** Trusts the fixture's certificate authority. */
  readonly agent: Agent;
}

/** Serves the fixture's account while `use` runs; errors that no service expected fail the test. */
export async function withWire<T>(fixture: CosmosFixture, use: (wire: Wire) => Promise<T>): Promise<T> {
  return withDirectory(async (directory) => {
    const around = { clock: systemClock, entropy: openEntropy() };
    const authority = await openAuthority({ directory, ...around, names: [] });
    const { verifier, directory: people } = fixture.identity;
    const faults: unknown[] = [];
    const listener = await listen({
      port: 0,
      host: "127.0.0.1",
      tls: authority.leaf(),
      service: accountService(
        {
          engine: fixture.engine,
          clock: fixture.clock,
          entropy: around.entropy,
          verifier,
          directory: people,
          record: () => {},
        },
        accountName,
      ),
      bodyBytesMax: 5 << 20,
      onError: (fault) => faults.push(fault),
    });
    const agent = new Agent({ ca: authority.caPem, keepAlive: true });
    let result: T;
    try {
      result = await use({ endpoint: `https://localhost:${listener.port}`, agent });
    } finally {
      agent.destroy();
      await listener.close();
    }
    if (faults.length > 0) throw faults[0];
    return result;
  });
}
