import { afterEach, expect, it, vi } from "vitest";
import { client, keys } from "../api/queries";
import type { Model } from "../api/types";
import { goWithMine } from "../go/withMine";
import { edit, settled, unsaved, useEdits } from "./edits";

const model = (ids: string[]) =>
  ({
    app: "shop",
    revision: `r${ids.length}`,
    blocks: [],
    changes: ids.map((id) => ({ id, by: "Ada", mine: id !== "other", summary: id })),
    history: { undo: null, redo: null },
  }) as unknown as Model;

/** Answers requests by hand: `[path, body, answer]` of each that waits. */
function held() {
  const waiting: { path: string; body: unknown; answer(status: number, value: unknown): void }[] = [];
  vi.stubGlobal("fetch", (path: string, options: RequestInit) => {
    const body = options.body ? JSON.parse(String(options.body)) : undefined;
    return new Promise((done) =>
      waiting.push({
        path,
        body,
        answer: (status, value) => done(new Response(JSON.stringify(value), { status })),
      }),
    );
  });
  return waiting;
}
const soon = () => new Promise((done) => setTimeout(done, 0));

afterEach(() => {
  vi.unstubAllGlobals();
  unsaved.clear();
  client.clear();
});

it("Go takes along the edit that had no answer yet when it was pressed", async () => {
  const waiting = held();
  client.setQueryData(keys.model("shop"), model(["1", "other"]));
  void edit("shop", [{ verb: "url", block: "web", path: ["/"] }]);
  const going = goWithMine("shop");
  await soon();
  expect(useEdits.getState().onTheirWay).toBe(1);
  expect(waiting.map((it) => it.path)).toEqual(["/v1/apps/shop/edits"]);
  waiting[0]?.answer(200, { model: model(["1", "other", "2"]), summary: "web: address /", lines: [1, 1] });
  await vi.waitFor(() => expect(waiting.some((it) => it.path.endsWith("/go"))).toBe(true));
  const go = waiting.find((it) => it.path.endsWith("/go"));
  expect(go?.body).toEqual({ changes: ["1", "2"] });
  go?.answer(200, { operation: "7" });
  expect(await going).toEqual({ ok: true, id: "7" });
});

it("Go does not go without an edit that was refused meanwhile", async () => {
  const waiting = held();
  client.setQueryData(keys.model("shop"), model(["1"]));
  void edit("shop", [{ verb: "remove", block: "db" }], { field: "db.name" });
  const going = goWithMine("shop");
  await soon();
  waiting[0]?.answer(422, { error: { code: "edit/refused", message: "web needs db" } });
  expect(await going).toBeNull();
  expect(waiting.length).toBe(1);
  expect(useEdits.getState().onTheirWay).toBe(0);
});

it("what was typed a moment ago is saved first", async () => {
  const order: string[] = [];
  unsaved.add(async () => {
    order.push("saved");
    return true;
  });
  expect(await settled("shop")).toBe(true);
  unsaved.add(async () => false);
  expect(await settled("shop")).toBe(false);
  expect(order).toEqual(["saved", "saved"]);
});
