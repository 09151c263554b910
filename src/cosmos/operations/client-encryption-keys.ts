/** Client encryption keys: wrapped keys that clients encrypt properties with. The server only keeps them. */
import { readDatabase } from "../engine/containers.ts";
import { clientEncryptionKeyRid } from "../engine/resource-ids.ts";
import { badRequest } from "../errors.ts";
import { type ChildOperations, childOperations, ownProperties, requiredText } from "./child-family.ts";
import { accountNameOf, requireDatabase } from "./operation.ts";

export const clientEncryptionKeys: ChildOperations = childOperations({
  feedName: "ClientEncryptionKeys",
  async place(context) {
    const { id, rid } = requireDatabase(context).record;
    const account = accountNameOf(context);
    return {
      account,
      kind: "clientEncryptionKey",
      names: [id],
      ownerRid: rid,
      link: `dbs/${rid}/clientencryptionkeys/`,
      ridOf: (number) => clientEncryptionKeyRid(rid, number),
      ownerExists: async (transaction) => (await readDatabase(transaction, account, id))?.rid === rid,
    };
  },
  properties(_, resource) {
    requiredText(resource, "encryptionAlgorithm");
    const wrapped = requiredText(resource, "wrappedDataEncryptionKey");
    if (Buffer.from(wrapped, "base64").toString("base64").replace(/=+$/, "") !== wrapped.replace(/=+$/, "")) {
      throw badRequest("The wrappedDataEncryptionKey of a client encryption key must be base64.");
    }
    const metadata = resource["keyWrapMetadata"];
    if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) {
      throw badRequest(
        "The input content is invalid because the required properties - 'keyWrapMetadata; ' - are missing",
      );
    }
    return ownProperties(resource);
  },
});
