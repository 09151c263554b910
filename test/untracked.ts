/**
 * Imported before test files, by run.ts: Node's test runner follows every promise of a process by a hook, to know which
 * test an error belongs to that nobody caught. That takes up to a third of the processor's time. Here only the tests
 * themselves are followed, which is what puts them into their suites; an error that nobody caught fails the file, and
 * the file run by itself is told the test. Only for the line of Node whose runner is known to work like this.
 */
import hooks, { AsyncResource } from "node:async_hooks";

type Callbacks = Parameters<typeof hooks.createHook>[0];

if (process.versions.node.startsWith("20.")) {
  const { createHook } = hooks;
  const following: Callbacks[] = [];
  const idle = { enable: () => idle, disable: () => idle };
  class Followed extends AsyncResource {
    constructor(type: string, options?: ConstructorParameters<typeof AsyncResource>[1]) {
      super(type, options);
      for (const { init } of following) init?.(this.asyncId(), type, this.triggerAsyncId(), this);
    }
  }
  const follow = (callbacks: Callbacks): typeof idle => {
    following.push(callbacks);
    return idle;
  };
  Object.assign(hooks, { createHook: follow, AsyncResource: Followed });
  await import("node:test");
  Object.assign(hooks, { createHook, AsyncResource });
}
