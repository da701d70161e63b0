// Pictures of each screen, in both themes and three widths, against those that were looked at and
// committed (e2e/pictures). What the server answers was recorded with them (answers.json, and
// recorded.mjs for what runs), so that a picture says nothing of the day, the machine or the modules of
// the shelf. Renew them with `cargo x canvas --pictures`, and look at each before it is committed.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import pixelmatch from "pixelmatch";
import { PNG } from "pngjs";
import { makeApp, must, write } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { small } from "./palette.mjs";
import { APPS, METRICS, NOW, RELEASES, STATUS, SYSTEM } from "./recorded.mjs";
import { eventually } from "./server.mjs";

const FOLDER = fileURLToPath(new URL("pictures", import.meta.url));
/** What the server answered when the pictures were taken: a module or a name that changes later says nothing of the canvas. */
const ANSWERS = fileURLToPath(new URL("answers.json", import.meta.url));
const answers = existsSync(ANSWERS) ? JSON.parse(readFileSync(ANSWERS, "utf8")) : {};
/** The part of a picture that may differ. */
const MOST = 0.002;
const SIZES = [
  [1440, 900],
  [1024, 768],
  [390, 844],
];
const APP = "gallery";
const FILE = `app = "${APP}"

[db]
use = "postgres@15"        # one server, one disk

[jobs]
use = "rabbitmq@3"

[web]
source = "./web"
needs  = { db = "postgres/1", jobs = "amqp/1", cache = "redis/1?" }
before = { migrate = "bin/migrate" }

[web.run]
web    = { port = 8080, path = "/", ready = "/healthz" }   # a path makes it public
worker = { run = "bin/worker" }
`;

const running = { [`/v1/apps/${APP}/status`]: STATUS, [`/v1/apps/${APP}/metrics`]: METRICS };
const shown = (page, selector) => page.locator(selector).first().waitFor();
const tree = "[data-block-button], [role=treeitem]";

/** Name, address, what must be there; `does` brings it about, `answers` are recorded, `wide` has no phone form. */
const SCREENS = [
  { name: "apps", path: "/", there: "h1" },
  { name: "apps-none", path: "/", there: "h1, h2", answers: { "/v1/apps": { apps: [] } } },
  { name: "draft", path: `/apps/${APP}`, there: tree },
  {
    name: "running",
    path: `/apps/${APP}`,
    there: '[data-status="ready"], [role=treeitem]',
    answers: running,
  },
  { name: "empty", path: "/apps/gallery-empty", there: "main h2, .empty, .outline-empty" },
  {
    name: "outline",
    path: `/apps/${APP}`,
    there: tree,
    wide: true,
    does: async (page) => {
      await page.getByRole("tab", { name: "Outline" }).click();
      await shown(page, "[role=treeitem]");
    },
  },
  {
    name: "palette",
    path: `/apps/${APP}`,
    there: tree,
    wide: true,
    does: async (page) => {
      await page.keyboard.press("Control+k");
      await shown(page, "[role=option]");
    },
  },
  { name: "file", path: `/apps/${APP}/file`, there: ".cm-content, textarea, pre" },
  { name: "plan", path: `/apps/${APP}/plan`, there: "#plan-means" },
  {
    name: "releases",
    path: `/apps/${APP}/releases`,
    there: "h1",
    answers: { [`/v1/apps/${APP}/releases`]: RELEASES },
  },
  { name: "shelf", path: "/shelf", there: "h1" },
  { name: "system", path: "/system", there: "h2", answers: {} },
];

export async function pictures(server, browser) {
  const renew = process.env.SHELF_PICTURES === "renew";
  const only = process.env.SHELF_SCREENS?.split(",");
  if (renew && !only) {
    rmSync(FOLDER, { recursive: true, force: true });
    for (const name of Object.keys(answers)) delete answers[name];
  }
  if (renew) await prepare(server, browser);
  const wrong = [];
  let bytes = 0;
  for (const theme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      const one = await person(browser, server, { theme, width, height });
      await still(one.page, server, renew);
      for (const screen of SCREENS) {
        if ((screen.wide && width < 700) || (only && !only.includes(screen.name))) continue;
        const name = `${screen.name}-${theme}-${width}`;
        // What is wrong is wrong each time; what a busy machine drew late is right the next time.
        let found = [];
        for (let tries = 0; tries < 3; tries += 1) {
          const now = await taken(one.page, server, screen).catch((error) => {
            found = [`${name}: ${error.message.split("\n")[0]}`];
          });
          if (now && renew) bytes += keep(name, now);
          if (now) found = renew ? [] : compared(name, now);
          if (found.length === 0) break;
        }
        wrong.push(...found);
      }
      for (const name of one.page.unknown) wrong.push(`${name} was never recorded: renew the pictures`);
      clean(one);
      await one.page.unrouteAll({ behavior: "ignoreErrors" });
      await one.context.close();
    }
  }
  if (renew) {
    const sorted = Object.fromEntries(Object.entries(answers).sort(([a], [b]) => (a < b ? -1 : 1)));
    writeFileSync(ANSWERS, `${JSON.stringify(sorted, null, 1)}\n`);
  }
  if (renew) console.log(`# ${(bytes / 1e6).toFixed(1)} MB of pictures`);
  assert.deepEqual(wrong, []);
}

async function prepare(server, browser) {
  const one = await person(browser, server);
  await makeApp(one.page, APP);
  await makeApp(one.page, `${APP}-empty`);
  const web = join(server.data, "apps", APP, "web");
  mkdirSync(join(web, "bin"), { recursive: true });
  writeFileSync(join(web, "Dockerfile"), 'FROM debian:12\nEXPOSE 8080\nCMD ["bin/web"]\n');
  await write(one.page, APP, FILE);
  const places = { web: { x: 40, y: 96 }, db: { x: 432, y: 40 }, jobs: { x: 432, y: 264 } };
  await must(one.page, "PUT", `/v1/apps/${APP}/layout`, { blocks: places });
  await one.context.close();
}

/** Stops the clock and the stream, sets the only font that is the same everywhere, and records answers. */
async function still(page, server, renew) {
  // The page of the sign-in has a stream that is none of these: its next try would be asked for here.
  await page.goto("about:blank");
  page.unknown = new Set();
  await page.clock.setFixedTime(new Date(NOW));
  await page.addInitScript(() => {
    // Open for ever, and silent: no news, no staleness.
    window.EventSource = class extends EventTarget {
      constructor() {
        super();
        setTimeout(() => this.onopen?.(new Event("open")), 0);
      }
      close() {}
    };
    addEventListener("DOMContentLoaded", () => {
      const root = document.documentElement.style;
      root.setProperty("--mono", "Inter");
      root.setProperty("--font", "Inter");
    });
  });
  await page.route("**/v1/**", async (route) => {
    const request = route.request();
    const { pathname, search } = new URL(request.url());
    const said = page.recorded?.[pathname] ?? { "/v1/apps": APPS, "/v1/system": SYSTEM }[pathname];
    if (said && request.method() === "GET") return route.fulfill({ json: said });
    const name = `${request.method()} ${pathname}${search}`;
    if (renew) answers[name] ??= await answered(route, server);
    const known = answers[name];
    if (!known && request.method() === "GET") page.unknown.add(name);
    if (!known) return route.fulfill({ status: request.method() === "GET" ? 404 : 204 });
    await route.fulfill({
      status: known.status,
      contentType: known.type,
      body: typeof known.body === "string" ? known.body : JSON.stringify(known.body),
    });
  });
}

/** What the server answers, without what the day, the machine and the tests before have put into it. */
async function answered(route, server) {
  // All headers: without an origin the server refuses what is not a reading.
  const answer = await route.fetch({ headers: await route.request().allHeaders() });
  const type = answer.headers()["content-type"] ?? "";
  const text = (await answer.text())
    .replaceAll(server.data, "/var/lib/shelf")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, NOW.replace("12:00", "11:58"))
    .replaceAll(/localhost:\d+/g, "localhost:8080")
    .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:7433")
    .replaceAll(/"version":"0[^"]*"/g, '"version":"0.1.0"');
  if (!/json/.test(type)) return { status: answer.status(), type, body: text };
  const body = JSON.parse(text);
  if (body.target?.name) body.target.name = "lab";
  if (body.token_for_ws) body.token_for_ws = "";
  // Other tests have signed people in before.
  if (body.sessions) body.sessions = body.sessions.filter((it) => it.here).map((it) => ({ ...it, id: "1" }));
  return { status: answer.status(), type, body };
}

/** The screen, once it stands still. */
async function taken(page, server, screen) {
  page.recorded = screen.answers;
  await page.goto(server.origin + screen.path);
  await shown(page, screen.there);
  await page.evaluate(() => document.fonts.ready);
  await page.waitForFunction(
    () => ![...document.querySelectorAll(".loading, [aria-busy=true]")].some((it) => it.checkVisibility()),
  );
  const drawn = await resting(page);
  if (!screen.does) return drawn;
  // What is done to a page that still moves would be done somewhere else.
  await screen.does(page);
  return resting(page);
}

/** The page once three looks at it are alike. */
function resting(page) {
  const looks = [];
  return eventually(10, "it stands still", async () => {
    const now = await page.screenshot({ animations: "disabled", caret: "hide", scale: "css" });
    looks.push(now);
    const last = looks.slice(-3);
    assert.ok(last.length === 3 && last.every((it) => it.equals(now)), "it moves");
    return now;
  });
}

/** Kept small enough for a checkout. */
function keep(name, picture) {
  mkdirSync(FOLDER, { recursive: true });
  const kept = small(PNG.sync.read(picture));
  writeFileSync(join(FOLDER, `${name}.png`), kept);
  return kept.length;
}

function compared(name, picture) {
  const path = join(FOLDER, `${name}.png`);
  if (!existsSync(path)) return [`${name}: there is no picture to compare with`];
  const [before, after] = [PNG.sync.read(readFileSync(path)), PNG.sync.read(picture)];
  if (before.width !== after.width || before.height !== after.height) return [`${name}: it has another size`];
  const difference = new PNG({ width: after.width, height: after.height });
  const count = pixelmatch(before.data, after.data, difference.data, after.width, after.height, {
    threshold: 0.1,
  });
  const part = count / (after.width * after.height);
  if (part <= MOST) return [];
  const folder = process.env.SHELF_SHOTS ?? fileURLToPath(new URL("../differences", import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}-before.png`), readFileSync(path));
  writeFileSync(join(folder, `${name}-after.png`), picture);
  writeFileSync(join(folder, `${name}-difference.png`), PNG.sync.write(difference));
  return [`${name}: ${(part * 100).toFixed(2)} % differs, see ${folder}/${name}-difference.png`];
}
