/**
 * What a server tells of itself in text. Apart from `status.ts` because a start shows it too, and loads nothing of what looks
 * for running servers.
 */
import type { ServerStatus } from "../operator/gateway.ts";

/** What listens where, and what is needed to connect: the same for who starts a server and who finds one. */
export function listening(status: ServerStatus, directory: string): string {
  const accounts =
    status.accounts.length === 0
      ? "  no Cosmos account yet: celestite deploy main.json -g my-group\n"
      : status.accounts
          .map((account) => `  Cosmos ${account.name.padEnd(22)} ${account.endpoint}\n`)
          .join("");
  return `  managed identity              ${status.endpoints.managedIdentity}
  Entra authority               ${status.endpoints.authority}/${status.tenantId}
  Azure Resource Manager        ${status.endpoints.arm}/subscriptions/${status.subscriptionId}
${accounts}
  data directory                ${directory}
  certificate authority         ${status.caFile}
  the same plus system roots    ${status.caBundleFile}
`;
}
