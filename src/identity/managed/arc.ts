/**
 * The managed identity endpoint of Azure Arc servers: the caller must first read a file that only its machine has. The
 * file is written by whoever opens the endpoint; clients accept one folder only, so the address of it is fixed.
 */
import { timingSafeEqual } from "node:crypto";
import type { Entropy } from "../../clock.ts";
import { uuid } from "../../clock.ts";
import { json } from "../../http/reply.ts";
import type { Service } from "../../http/service.ts";
import { createImds } from "./imds.ts";
import type { ManagedIdentityContext } from "./select-identity.ts";

/** The folder that clients on Linux insist on. */
export const arcTokenFolder = "/var/opt/azcmagent/tokens";

const CHALLENGES_MAX = 16;

/** `writeKey` puts `content` into the file `name` of the folder as the workload sees it. */
export function createArcEndpoint(
  context: ManagedIdentityContext,
  workloadId: string,
  entropy: Entropy,
  writeKey: (name: string, content: string) => Promise<void>,
): Service {
  const answers = createImds(context, workloadId);
  const challenges: string[] = [];
  return async (request) => {
    if (request.headers["metadata"]?.trim().toLowerCase() !== "true") return answers(request);
    const [, given] = /^basic (\S+)$/i.exec(request.headers["authorization"] ?? "") ?? [];
    const at = given === undefined ? -1 : challenges.findIndex((secret) => sameText(secret, given));
    if (at < 0) {
      const secret = Buffer.from(entropy.bytes(32)).toString("base64url");
      const name = `${uuid(entropy)}.key`;
      await writeKey(name, secret);
      challenges.push(secret);
      if (challenges.length > CHALLENGES_MAX) challenges.shift();
      const headers = { "www-authenticate": `Basic realm=${arcTokenFolder}/${name}` };
      return json(
        401,
        { error: "unauthorized", error_description: "Read the file of the challenge." },
        headers,
      );
    }
    challenges.splice(at, 1);
    return answers(request);
  };
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
