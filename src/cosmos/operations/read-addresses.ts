/**
 * `GET //addresses/`: where the replicas of a container's ranges are. All of them are behind this gateway, which speaks
 * https; the binary protocol of direct mode is not implemented, and a client that wants it is told so at once.
 */
import { badRequest, CosmosError, rangeGone } from "../errors.ts";
import { type Operation, type OperationContext, requireContainer } from "./operation.ts";

export const readAddresses: Operation = async (context) => {
  const query = new URLSearchParams(context.address.query);
  if (query.get("$resolveFor") === null) throw badRequest("The query parameter '$resolveFor' is missing.");
  const container = requireContainer(context);
  const protocol = /\bprotocol\s+eq\s+'?(\w+)/i.exec(query.get("$filter") ?? "")?.[1]?.toLowerCase();
  if (protocol !== undefined && protocol !== "https") throw directMode(protocol);
  const wanted = query.get("$partitionKeyRangeIds")?.split(",");
  const ranges = container.ranges.filter(({ id }) => wanted?.includes(id) ?? true);
  if (ranges.length === 0 || (wanted !== undefined && ranges.length < new Set(wanted).size))
    throw rangeGone();
  const addresses = ranges.map(({ id }, at) => ({
    isPrimary: true,
    protocol: "https",
    isAuxiliary: false,
    // Both misspellings are the names on the wire.
    physcialUri: `${context.origin}/apps/celestite/services/${accountOf(context)}/partitions/${id}/replicas/1p/`,
    partitionKeyRangeId: id,
    partitionIndex: `${id}@${at}`,
    partitionTargetReplicaSetSize: 1,
  }));
  return { status: 200, body: { _rid: "", _count: addresses.length, Addresss: addresses }, charge: 0 };
};

function accountOf(context: OperationContext): string {
  return context.account.record.account.name;
}

function directMode(protocol: string): CosmosError {
  return new CosmosError(
    501,
    "NotImplemented",
    `The protocol '${protocol.slice(0, 20)}' of direct mode is not implemented by this server: use gateway mode (ConnectionMode.Gateway, or gatewayMode() in Java).`,
  );
}
