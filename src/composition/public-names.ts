/** The names of the public cloud that lead here through a front door, and what stands behind each. */
import type { Engine } from "../cosmos/engine/engine.ts";
import { createNameTable, type NameTable } from "../front-door/names.ts";
import type { Service } from "../http/service.ts";

export interface NamedServices {
  readonly authority: Service;
  readonly arm: Service;
  readonly graph: Service;
  readonly cosmos: (account: string) => Promise<Service>;
}

/** The table over the running services; the accounts in it are those that exist at each moment. */
export function publicNames(engine: Engine, services: NamedServices): NameTable {
  return createNameTable(
    {
      "login.microsoftonline.com": services.authority,
      "login.windows.net": services.authority,
      "login.microsoft.com": services.authority,
      "sts.windows.net": services.authority,
      "management.azure.com": services.arm,
      "graph.microsoft.com": services.graph,
    },
    [
      {
        suffix: ".documents.azure.com",
        async serviceFor(label) {
          const account = engine.catalog.find(label)?.record.account.name;
          return account === undefined ? undefined : services.cosmos(account);
        },
        labels: () => [...engine.catalog.all()].map(({ record }) => record.account.name.toLowerCase()),
      },
    ],
  );
}
