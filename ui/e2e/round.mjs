// Canvas, file and API are one: random verbs from each side, and after every one all three agree,
// comments survive and undo gives the bytes back. The seed is told, so that a failure can be repeated.
import assert from "node:assert/strict";
import { ask, fileOf, makeApp, modelOf, must, write } from "./api.mjs";
import { clean, person } from "./browser.mjs";

const STEPS = Number(process.env.SHELF_STEPS ?? 60);

/** Small and good enough: xorshift. */
function dice(seed) {
  let state = seed >>> 0 || 1;
  const next = (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  return { next, of: (list) => list[next(list.length)] };
}

const comments = (text) => text.split("\n").flatMap((line) => /# note \d+/.exec(line)?.[0] ?? []);

export async function roundTrip(server, browser) {
  const seed = Number(process.env.SHELF_SEED ?? 20261123);
  console.log(`# round trip, seed ${seed}, ${STEPS} steps`);
  const { next, of } = dice(seed);
  const one = await person(browser, server, { name: "Rita Round" });
  const { page } = one;
  const app = "rounds";
  await makeApp(page, app);
  await write(
    page,
    app,
    `# note 0\napp = "${app}"\n\n# note 1\n[db]\nuse = "postgres@15"   # note 2\n\n[web]\nsource = "./web"   # note 3\nneeds = { db = "postgres/1" }\nrun = { web = { port = 80 } }\n`,
  );
  await page.goto(`${server.origin}/apps/${app}`);
  await page.locator("[data-block-button]").first().waitFor();
  let serial = 10;
  /** Texts before each step that undo would take back. */
  const undoable = [];
  const redoable = [];
  const verb = (model) => {
    const block = of(model.blocks).name;
    const sources = model.blocks.filter((it) => it.from.kind === "source").map((it) => it.name);
    const modules = model.blocks.filter((it) => it.from.kind === "module").map((it) => it.name);
    serial += 1;
    return of([
      { verb: "add", block: `b${serial}`, use: of(["postgres@15", "redis", "rabbitmq@3"]) },
      { verb: "add", block: `s${serial}`, source: "./web", port: 8080 },
      { verb: "rename", block, to: `r${serial}` },
      { verb: "remove", block },
      ...sources.flatMap((it) => [
        {
          verb: "need",
          block: it,
          socket: `n${serial}`,
          interface: of(["postgres/1", "redis/1?", "amqp/1"]),
        },
        { verb: "copies", block: it, copies: String(1 + next(4)) },
        { verb: "url", block: it, path: [`/p${serial}`] },
        ...(modules.length > 0 ? [{ verb: "wire", block: it, socket: "db", provider: of(modules) }] : []),
        { verb: "unwire", block: it, socket: "db" },
      ]),
    ]);
  };
  for (let step = 0; step < STEPS; step += 1) {
    const before = await fileOf(page, app);
    const model = await modelOf(page, app);
    const kind = of(["api", "api", "api", "file", "undo", "undo", "redo", "key"]);
    const what = `step ${step} (${kind}, seed ${seed})`;
    if ((kind === "api" || kind === "key") && model.blocks.length > 0) {
      const edit = verb(model);
      const { status, body } = await ask(page, "POST", `/v1/apps/${app}/edits`, {
        revision: model.revision,
        edits: [edit],
      });
      const after = (await fileOf(page, app)).text;
      if (status >= 300) {
        assert.ok(
          status < 500,
          `${what}: ${JSON.stringify(edit)} answered ${status} ${JSON.stringify(body)}`,
        );
        assert.equal(after, before.text, `${what}: refused, and yet changed`);
      } else if (after !== before.text) {
        undoable.push(before.text);
        redoable.length = 0;
        // No verb but a removal takes a remark away, and it only those of its block.
        const lost = comments(before.text).filter((it) => !comments(after).includes(it));
        if (edit.verb !== "remove" && edit.verb !== "unneed")
          assert.deepEqual(lost, [], `${what}: ${JSON.stringify(edit)}`);
      }
    } else if (kind === "file") {
      serial += 1;
      await write(page, app, `${before.text}\n# note ${serial}\n[f${serial}]\nuse = "postgres@15"\n`);
      undoable.push(before.text);
      redoable.length = 0;
    } else if (kind === "undo" && undoable.length > 0) {
      await must(page, "POST", `/v1/apps/${app}/undo`, {});
      redoable.push(before.text);
      assert.equal((await fileOf(page, app)).text, undoable.pop(), `${what}: undo is not the bytes before`);
    } else if (kind === "redo" && redoable.length > 0) {
      await must(page, "POST", `/v1/apps/${app}/redo`, {});
      undoable.push(before.text);
      assert.equal((await fileOf(page, app)).text, redoable.pop(), `${what}: redo is not the bytes after`);
    }
    const [file, now] = [await fileOf(page, app), await modelOf(page, app)];
    assert.equal(now.revision, file.revision, what);
    const tables = [...file.text.matchAll(/^\[([a-z0-9]+)\]/gm)].map((it) => it[1]);
    assert.deepEqual(
      now.blocks.map((it) => it.name),
      tables,
      `${what}: the model is not the file`,
    );
    for (const wire of now.wires)
      assert.ok(
        tables.includes(wire.consumer) && tables.includes(wire.provider),
        `${what}: ${wire.consumer} > ${wire.provider}`,
      );
    // What the canvas holds is what the file says.
    await page
      .waitForFunction(
        (count) => document.querySelector(`[aria-label^="Canvas of"][aria-label*=" ${count} blocks"]`),
        tables.length,
        { timeout: 60_000 },
      )
      .catch(() => assert.fail(`${what}: the canvas does not show ${tables.length} blocks`));
  }
  // All the way back.
  while (undoable.length > 0) {
    await must(page, "POST", `/v1/apps/${app}/undo`, {});
    assert.equal((await fileOf(page, app)).text, undoable.pop(), "undo, all the way");
  }
  clean(one);
  await one.context.close();
}
