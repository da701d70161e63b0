import { afterEach, describe, expect, it, vi } from "vitest";
import { askedBy, post } from "./client";

/** A server with protected targets: each change must name both. */
function guarded(...targets: string[]) {
  return vi.fn(async (_path: string, init: RequestInit) => {
    const said = (new Headers(init.headers).get("shelf-confirm") ?? "").split(",");
    const missing = targets.find((it) => !said.includes(it));
    if (missing === undefined) return new Response('{"operation":7}');
    const error = { code: "target/protected", message: `${missing} is protected: a change must name it` };
    return new Response(JSON.stringify({ error }), { status: 403 });
  });
}

describe("a protected target", () => {
  afterEach(() => {
    askedBy(null);
    vi.unstubAllGlobals();
  });

  it("is named once for each target, and the same request is sent again", async () => {
    const server = guarded("prod", "stage");
    vi.stubGlobal("fetch", server);
    askedBy(async (why) => why.split(" ")[0] ?? null);
    expect(await post("/v1/apps/shop/move", { to: "stage" })).toEqual({ ok: true, value: { operation: 7 } });
    expect(server).toHaveBeenCalledTimes(3);
    expect(new Set(server.mock.calls.map(([, init]) => init.body))).toEqual(new Set(['{"to":"stage"}']));
  });

  it("stays as it is if nobody names it", async () => {
    const server = guarded("prod");
    vi.stubGlobal("fetch", server);
    askedBy(async () => null);
    const answer = await post("/v1/apps/shop/stop");
    expect(answer.ok).toBe(false);
    expect(answer.ok ? "" : answer.error.message).toBe("you did not name the target");
    expect(server).toHaveBeenCalledTimes(1);
  });

  it("refuses plainly where no page can ask", async () => {
    vi.stubGlobal("fetch", guarded("prod"));
    const answer = await post("/v1/apps/shop/stop");
    expect(answer.ok ? "" : answer.error.code).toBe("target/protected");
  });
});
