/** `POST operations/partitionkeydelete`: removes every item of one logical partition, in commits of bounded size. */
import { commitTo } from "../engine/commit.ts";
import { idOf, partitionItemNumbers, readItemNumber } from "../engine/documents.ts";
import { removeItem } from "../engine/item-writes.ts";
import { metadataCharge } from "../engine/request-charge.ts";
import { fewerComponents } from "../errors.ts";
import { accountNameOf, headerPartition, type Operation, requireContainer } from "./operation.ts";

/** Items per commit: other writers of the range wait no longer than for this many deletes. */
const commitSize = 200;

export const deleteByPartitionKey: Operation = async (context) => {
  const container = requireContainer(context);
  const logical = headerPartition(context, container);
  if (logical === undefined) throw fewerComponents();
  const numbers = await partitionItemNumbers(context.engine.store, container, logical);
  let last: { partition: Parameters<typeof removeItem>[0]["partition"]; lsn: number } | undefined;
  for (let at = 0; at < numbers.length; at += commitSize) {
    const { partition, lsn } = await commitTo(
      context.engine,
      accountNameOf(context),
      container,
      logical,
      async (commit) => {
        for (const number of numbers.slice(at, at + commitSize)) {
          const item = await readItemNumber(commit.transaction, container, number);
          if (item === undefined) continue;
          await removeItem(commit, logical, idOf(item), item, false);
        }
      },
    );
    last = { partition, lsn };
  }
  return { status: 200, charge: metadataCharge, ...last };
};
