import { beforeEach, describe, expect, it, vi } from "vitest";
import type { OperationMessage } from "../api/types";
import { receiveOperation, reloadOperations, startGo, useOperations } from "./operations";

const message = (rest: Partial<OperationMessage>): OperationMessage => ({
  id: "7",
  verb: "go",
  app: "shop",
  by: "Ada",
  started: "2026-01-01T00:00:00Z",
  ...rest,
});
const line = (text: string) => message({ event: { event: "build-output", block: "web", line: text } });
const output = () => useOperations.getState().byId["7"]?.progress.blocks[0]?.output;
const answer = (status: number, body: unknown) =>
  vi.spyOn(globalThis, "fetch").mockResolvedValue(new Response(JSON.stringify(body), { status }));

let number = 100;
beforeEach(() => {
  vi.useFakeTimers();
  useOperations.setState({ byId: {} });
  number += 1_000;
});
const hear = (one: OperationMessage, at: number) => {
  receiveOperation(one, number + at);
  vi.advanceTimersByTime(100);
};

describe("operations", () => {
  it("a stream that begins anew tells all again, and nothing appears twice", () => {
    hear(message({ began: true }), 1);
    hear(line("a"), 2);
    hear(line("b"), 3);
    // A page that comes back: the whole story under the newest number.
    hear(message({ began: true }), 3);
    hear(line("a"), 3);
    hear(line("b"), 3);
    hear(line("c"), 4);
    expect(output()).toEqual(["a", "b", "c"]);
  });
  it("what is older than what was heard is not heard again", () => {
    hear(message({ began: true }), 1);
    hear(line("a"), 5);
    hear(line("late"), 4);
    expect(output()).toEqual(["a"]);
  });
  it("one that ended before its own answer came is shown, and the one before it is not", async () => {
    hear(message({ id: "6", began: true }), 1);
    hear(message({ id: "6", result: {} }), 2);
    hear(message({ began: true }), 3);
    hear(message({ result: { url: "http://a/" } }), 4);
    answer(200, { operation: 7 });
    await startGo("shop");
    const { byId } = useOperations.getState();
    expect([byId["6"]?.dismissed, byId["7"]?.dismissed]).toEqual([true, false]);
  });
  it("the end of one that ended while nobody listened is fetched", async () => {
    hear(message({ began: true }), 1);
    const events = [{ event: "block", name: "web", state: "ready", detail: "", seconds: 3 }];
    answer(200, { ...message({}), running: false, events, result: { url: "http://a/" } });
    await reloadOperations();
    expect(useOperations.getState().byId["7"]).toMatchObject({
      running: false,
      result: { url: "http://a/" },
    });
    expect(useOperations.getState().byId["7"]?.progress.blocks[0]?.state).toBe("ready");
  });
  it("one that the server does not know any more is told as lost, not as done", async () => {
    hear(message({ began: true }), 1);
    answer(404, { error: { code: "operation/unknown", message: "no" } });
    await reloadOperations();
    expect(useOperations.getState().byId["7"]?.error?.code).toBe("operation/lost");
  });
  it("a server that does not answer ends nothing", async () => {
    hear(message({ began: true }), 1);
    vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("down"));
    await reloadOperations();
    expect(useOperations.getState().byId["7"]?.running).toBe(true);
  });
});
