import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createGroupCommit, type GroupCommit } from "../../src/storage/group-commit.ts";
import { emptyLayer, type Layer } from "../../src/storage/overlay.ts";

function layer(...keys: number[]): Layer {
  const writes = emptyLayer();
  for (const key of keys) writes.set(Uint8Array.of(key), Uint8Array.of(key));
  return writes;
}

/** A commit that waits until the test settles it. */
interface Pending {
  readonly keys: number[];
  succeed(): void;
  fail(error: Error): void;
}

function start(): { group: GroupCommit; commits: Pending[] } {
  const commits: Pending[] = [];
  const group = createGroupCommit(
    (writes) =>
      new Promise((resolve, reject) => {
        commits.push({
          keys: [...writes.entries()].map(([key]) => key[0] ?? -1),
          succeed: resolve,
          fail: reject,
        });
      }),
  );
  return { group, commits };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function visible(group: GroupCommit): number[][] {
  return group.layers().map((one) => [...one.entries()].map(([key]) => key[0] ?? -1));
}

describe("group commit", () => {
  it("commits together what arrives in one turn, and gathers while a commit is under way", async () => {
    const { group, commits } = start();
    const order: string[] = [];
    const add = async (name: string, ...keys: number[]): Promise<void> => {
      await group.add(layer(...keys), [() => order.push(`callback ${name}`)]);
      order.push(name);
    };
    const all = [add("a", 1), add("b", 2, 3)];
    await turn();
    all.push(add("c", 4), add("d", 3));
    await turn();
    assert.deepEqual(
      commits.map(({ keys }) => keys),
      [[1, 2, 3]],
    );
    assert.deepEqual(visible(group), [
      [3, 4],
      [1, 2, 3],
    ]);
    commits[0]?.succeed();
    await turn();
    await turn();
    assert.deepEqual(order, ["callback a", "callback b", "a", "b"]);
    assert.deepEqual(visible(group), [[], [3, 4]]);
    commits[1]?.succeed();
    await Promise.all(all);
    assert.deepEqual(order.slice(4), ["callback c", "callback d", "c", "d"]);
    await group.idle();
    assert.equal(commits.length, 2);
  });

  it("a failure rejects the commit under way and all that could have read its writes", async () => {
    const { group, commits } = start();
    const reason = new Error("disk");
    const before = group.mark();
    const first = group.add(layer(1), [() => assert.fail("callback of a failed commit")]);
    await turn();
    const second = group.add(layer(2), [() => assert.fail("callback of a dependent")]);
    const reader = group.add(emptyLayer(), [() => assert.fail("callback of a reader")]);
    group.check(before);
    commits[0]?.fail(reason);
    for (const one of [first, second, reader]) await assert.rejects(one, (error) => error === reason);
    assert.throws(() => group.check(before), reason);
    assert.deepEqual(visible(group), [[]]);

    group.check(group.mark());
    const later = group.add(layer(3), []);
    await turn();
    assert.deepEqual(
      commits.map(({ keys }) => keys),
      [[1], [3]],
    );
    commits[1]?.succeed();
    await later;
  });

  it("without writes of its own, a transaction waits for those it may have read, and for nothing else", async () => {
    const { group, commits } = start();
    let called = 0;
    await group.add(emptyLayer(), [() => called++]);
    assert.equal(called, 1);
    assert.equal(commits.length, 0);

    const write = group.add(layer(1), []);
    await turn();
    const read = group.add(emptyLayer(), [() => called++]);
    await turn();
    assert.equal(called, 1);
    commits[0]?.succeed();
    await Promise.all([write, read]);
    assert.equal(called, 2);
    assert.equal(commits.length, 1);
  });
});
