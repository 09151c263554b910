/** Which resources tokens may be asked for besides Azure's own services. */
import { cosmosAudiences, localHosts } from "../azure/audiences.ts";
import type { Engine } from "../cosmos/engine/engine.ts";

/**
 * True for our own listeners and for every Cosmos account, by its public names and by its local address with and
 * without port (SDKs differ in whether they keep it): what it takes. The set follows the accounts as they come and go.
 */
export function knownResources(
  engine: Engine,
  ownPorts: () => readonly number[],
): (audience: string) => boolean {
  return (audience) => {
    const wanted = audience.toLowerCase().replace(/\/+$/, "");
    const local = (port: number): boolean => localHosts.some((host) => wanted === `https://${host}:${port}`);
    if (localHosts.some((host) => wanted === `https://${host}`) || ownPorts().some(local)) return true;
    for (const { record } of engine.catalog.all()) {
      const { name, port } = record.account;
      if (cosmosAudiences(name, port).includes(wanted)) return true;
    }
    return false;
  };
}
