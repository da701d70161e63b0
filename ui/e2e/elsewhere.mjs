// An app of another target, from the canvas alone: the target's own pages, a Go that names a protected
// one, what it says and shows there, and a move back to this machine. The target is a second server with
// a registry between the two. Where next: ../src/api/target.ts.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { ask, makeApp, must, write } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { done, press, registry } from "./care.mjs";
import { broken } from "./looks.mjs";
import { eventually, Server } from "./server.mjs";

const APP = "roamer";

const look = async (page, name) => {
  const folder = process.env.SHELF_SHOTS;
  if (folder) await page.screenshot({ path: `${folder}/elsewhere-${name}.png` });
};

export async function elsewhere(server, browser) {
  const images = await registry(server);
  const there = await Server.start();
  try {
    server.shelf(
      ["target", "add", "far", "--kubeconfig", join(there.run, "kubeconfig")].concat([
        ...["--registry", `127.0.0.1:${images.port}/apps`],
        ...["--address", `http://*.localhost:${there.http}`],
      ]),
    );
    server.shelf(["target", "protect", "far"]);
    await roams(server, there, browser);
  } finally {
    // The pages of the journeys after this one know this machine alone.
    server.shelf(["target", "remove", "far"]);
    await there.end();
    images.end();
  }
}

/** Names the target once more, as its protection wants. */
async function named(page) {
  const dialog = page.getByRole("dialog", { name: "Change far" });
  const go = dialog.getByRole("button", { name: "Do it" });
  await dialog.getByText("far is protected").waitFor();
  assert.ok(await go.isDisabled(), "nothing was typed");
  assert.deepEqual(await broken(page), []);
  await look(page, "named");
  await dialog.getByLabel("Type far").fill("far");
  await page.keyboard.press("Enter");
}

async function roams(server, there, browser) {
  const one = await person(browser, server);
  const { page } = one;
  await makeApp(page, APP);
  server.hello(APP);
  const block = 'source = "./hello"\nrun = { web = { port = 8080, path = "/", ready = "/" } }';
  await write(page, APP, `app = "${APP}"\n\n[hello]\n${block}\n`);

  // The same page at the other target, by the menu in the bar.
  await page.goto(`${server.origin}/apps/${APP}`);
  await page.getByRole("button", { name: "on this machine" }).click();
  await look(page, "menu");
  await page.getByRole("menuitem", { name: "far, protected" }).click();
  await page.waitForURL(`${server.origin}/on/far/apps/${APP}`);
  await page.getByRole("button", { name: "on far" }).waitFor();
  assert.deepEqual(await broken(page), []);

  // Without its name nothing goes there; thinking better of it is no error of the page.
  await page.getByRole("link", { name: "Plan" }).click();
  await page.waitForURL(`${server.origin}/on/far/apps/${APP}/plan`);
  await page.getByText("far is protected: its name is asked for").waitFor();
  await press(page.getByRole("button", { name: /^Go/ }).first());
  await page.getByRole("dialog", { name: "Change far" }).getByRole("button", { name: "Not now" }).click();
  await page.getByText("you did not name the target").first().waitFor();
  assert.equal((await there.page(APP)).status, 404);
  await press(page.getByRole("button", { name: /^Go/ }).first());
  await named(page);
  assert.match(await done(page, "is live"), new RegExp(`http://${APP}.localhost:${there.http}`));
  await look(page, "live");
  const words = { status: 200, text: "hello from the first edition; database none\n" };
  assert.deepEqual(await there.page(APP), words);
  assert.equal((await server.page(APP)).status, 404);

  // What is said there is shown here; what only this machine's engine can do says so.
  await page.goto(`${server.origin}/on/far/apps/${APP}`);
  await page.locator(".app-actions").getByText("ready").waitFor();
  await page.locator('[data-block-button="hello"]').focus();
  await page.keyboard.press("l");
  await page.getByText("listening on 8080").first().waitFor();
  // What was written long ago is not of the last five minutes; this was.
  const asked = page.waitForRequest((it) => /\/logs\?.*since=3\d\d\b/.test(it.url()));
  await page.getByRole("combobox", { name: "From", exact: true }).selectOption("last 5 minutes");
  await asked;
  await page.getByText("listening on 8080").first().waitFor();
  await page.getByRole("tab", { name: "Metrics" }).click();
  await page.locator(".metrics-table").getByText("hello").waitFor();
  assert.deepEqual(await page.locator(".metrics-choice").allInnerTexts(), ["Processor", "Memory"]);
  await page.getByText("Memory", { exact: true }).click();
  await page.locator(".metrics-table td").getByText("MiB").first().waitFor();
  await look(page, "metrics");
  // A hand inside changes it: the target is named once more, then it is a shell as any other.
  await page.getByRole("tab", { name: "Terminal" }).click();
  await page.locator(".drawers-block select").first().selectOption("hello");
  await page.getByRole("dialog", { name: "Change far" }).getByRole("button", { name: "Not now" }).click();
  await page.locator(".terminal-bar").getByText("you did not name the target").waitFor();
  await page.getByRole("button", { name: "Try again" }).click();
  await named(page);
  await page.locator(".terminal-bar").getByText("Shell in hello").waitFor();
  await page.locator(".terminal-host").click();
  await page.keyboard.type("stty size; echo I-am-$((40 + 2)); exec sleep 4242\n");
  await page.locator(".xterm-rows").getByText("I-am-42").waitFor();
  assert.deepEqual(await broken(page), []);
  await look(page, "drawers");
  // Its end is that of the page's connection.
  const asleep = () => {
    const words = [
      "-n",
      APP,
      "exec",
      "deploy/hello-web",
      "--",
      "sh",
      "-c",
      "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '",
    ];
    return execFileSync("kubectl", ["--kubeconfig", join(there.run, "kubeconfig"), ...words], {
      encoding: "utf8",
    });
  };
  assert.match(asleep(), /sleep 4242/);
  await page.getByRole("button", { name: "Close the drawer" }).click();
  await eventually(20, "the shell ends", async () => assert.doesNotMatch(asleep(), /sleep 4242/));
  const status = await must(page, "GET", `/v1/apps/${APP}/status`);
  assert.equal(status.state, "draft", "this machine took the other's state for its own");
  const waiting = async (target) => {
    const { changes } = await must(page, "GET", `/v1/apps/${APP}/model${target}`);
    return changes.length;
  };
  assert.equal(await waiting("?target=far"), 0);

  // A link of the command line for that target leads to its pages.
  const link = server.shelf(["--on", "far", "open", "--name", "Ada Lovelace"]).trim();
  assert.match(link, /\/on\/far\/open#/);
  await page.goto(link);
  await page.waitForURL(`${server.origin}/on/far/`);

  // All apps of that target; and no header of a page reaches past the protection.
  await page.goto(`${server.origin}/on/far/`);
  await page.getByRole("link", { name: APP, exact: true }).waitFor();
  await look(page, "apps");
  // What it becomes elsewhere, with the address of there.
  await page.getByRole("button", { name: `More for ${APP}` }).click();
  await page.getByRole("menuitem", { name: "Export" }).click();
  const exporting = page.getByRole("dialog", { name: `Export ${APP}` });
  await exporting.getByLabel("What it becomes").selectOption("helm");
  await exporting.getByLabel("Where its images are fetched from").fill("registry.example.org/apps");
  await exporting.getByText("registry.example.org/apps/hello:latest").first().waitFor();
  await exporting.getByText("shelf --on far export helm --registry registry.example.org/apps").waitFor();
  assert.deepEqual(await broken(page), []);
  await look(page, "export");
  const coming = page.waitForEvent("download");
  await exporting.getByRole("link", { name: "Download" }).click();
  const archive = join(server.folder, "roamer-helm.tar.gz");
  const download = await coming;
  assert.equal(download.suggestedFilename(), "roamer-helm.tar.gz");
  await download.saveAs(archive);
  const chart = execFileSync("tar", ["-xzOf", archive, "roamer-helm/values.yaml"], { encoding: "utf8" });
  assert.ok(chart.includes("registry.example.org/apps/hello"), chart);
  await exporting.getByRole("button", { name: "Close", exact: true }).last().click();

  const refused = await ask(page, "POST", `/v1/apps/${APP}/stop?target=far`, {});
  assert.equal(refused.body.error.code, "target/protected", JSON.stringify(refused));
  const unknown = await ask(page, "GET", "/v1/apps?target=nowhere");
  assert.equal(unknown.body.error.code, "target/absent", JSON.stringify(unknown));

  // Home: looked at first, then done.
  await page.goto(`${server.origin}/on/far/apps/${APP}/releases`);
  await press(page.getByRole("button", { name: "Move…" }));
  const moving = page.getByRole("dialog", { name: `Move ${APP}` });
  await moving.getByRole("radio", { name: "this machine" }).waitFor();
  assert.deepEqual(await broken(page), []);
  await look(page, "move");
  await moving.getByRole("button", { name: "Look first" }).click();
  assert.match(
    await done(page, "can move"),
    /from far to this machine, and holds no data. Nothing was changed/,
  );
  assert.deepEqual(await there.page(APP), words);
  await press(page.getByRole("button", { name: "Move…" }));
  await moving.getByRole("button", { name: "Move it" }).click();
  await named(page);
  assert.match(await done(page, "has moved"), /It lives on this machine now/);
  await look(page, "moved");
  await eventually(20, "it is here", async () => assert.deepEqual(await server.page(APP), words));
  assert.notEqual((await there.page(APP)).status, 200);

  // One file of it, which is a program; the rest of it is not wanted here.
  await page.goto(server.origin);
  await page.getByRole("button", { name: `More for ${APP}` }).click();
  await page.getByRole("menuitem", { name: "Export" }).click();
  await exporting.getByLabel("What it becomes").selectOption("pack");
  await exporting.getByRole("button", { name: "Pack it" }).click();
  await page.waitForURL(`${server.origin}/apps/${APP}/releases`);
  assert.match(await done(page, "is packed"), /roamer\.app, .* with 1 image and a list of \d+ packages/);
  assert.deepEqual(await broken(page), []);
  await look(page, "packed");
  const pack = await page.getByRole("link", { name: "Download" }).getAttribute("href");
  const first = await page.evaluate(async (path) => {
    const stop = new AbortController();
    const answer = await fetch(path, { signal: stop.signal });
    const { value } = await answer.body.getReader().read();
    stop.abort();
    return { size: Number(answer.headers.get("content-length")), head: [...value.slice(0, 4)] };
  }, pack);
  assert.deepEqual(first.head, [0x7f, 0x45, 0x4c, 0x46]);
  assert.ok(first.size > 50e6, String(first.size));

  // Nothing of it stays behind.
  clean(one);
  server.shelf(["--on", "far", "--confirm", "far", "-a", APP, "destroy", "--yes", "--delete-data", APP]);
  await must(page, "POST", `/v1/apps/${APP}/destroy`, { data: APP });
  await one.context.close();
}
