/**
 * What a container holds, counted by range from what is stored. Only for clients that ask for it: no count is kept on
 * the way of writes.
 */
import type { Reader } from "../../storage/port.ts";
import { inRange } from "./documents.ts";
import { scanContainer } from "./range-scan.ts";
import type { ContainerRecord } from "./records.ts";

export interface RangeUsage {
  readonly id: string;
  readonly items: number;
  /** Of the items' JSON. */
  readonly bytes: number;
}

const page = 500;

/** Items and bytes of each range; other work goes on between pages. */
export async function usageOf(reader: Reader, container: ContainerRecord): Promise<readonly RangeUsage[]> {
  const counts = container.ranges.map((range) => ({ range, items: 0, bytes: 0 }));
  let position = 0;
  for (;;) {
    const items = await scanContainer(reader, container, position, page);
    for (const item of items) {
      const count = counts.find(({ range }) => inRange(item.epk, range));
      if (count === undefined) continue;
      count.items += 1;
      count.bytes += item.json.length;
    }
    const last = items.at(-1);
    if (last === undefined)
      return counts.map(({ range, items: found, bytes }) => ({ id: range.id, items: found, bytes }));
    position = last.number + 1;
    await new Promise((resume) => setImmediate(resume));
  }
}
