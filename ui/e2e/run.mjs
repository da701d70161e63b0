// The canvas in a real browser against the real binary. One server for all, one test after the
// other; `node e2e/run.mjs NAME…` runs those whose name contains a word.
import { existsSync } from "node:fs";
import { after, before, test } from "node:test";
import { open, picture } from "./browser.mjs";
import { cared } from "./care.mjs";
import { inBadWeather } from "./drills.mjs";
import { elsewhere } from "./elsewhere.mjs";
import { byOutline, focusInSight, forcedAndMagnified, inEachState, inFailure } from "./equal.mjs";
import { decided } from "./fields.mjs";
import { flood } from "./flood.mjs";
import { byKeys, byMouse } from "./journeys.mjs";
import { hostile, policy, screens } from "./looks.mjs";
import { together } from "./people.mjs";
import { pictures } from "./pictures.mjs";
import { roundTrip } from "./round.mjs";
import { Server } from "./server.mjs";
import { speed } from "./speed.mjs";
import { strangers } from "./strangers.mjs";

const words = process.argv.slice(2);
const renewing = process.env.SHELF_PICTURES === "renew";
let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await open();
});
after(async () => {
  await browser?.close();
  await server?.end();
  // What a person who looks at a failure wants to see.
  if (process.exitCode) console.error(server?.said);
});

const promise = (name, work) => {
  if (words.length > 0 && !words.some((word) => name.includes(word))) return;
  test(name, { timeout: 1_500_000 }, async () => {
    try {
      await work(server, browser);
    } catch (error) {
      await picture(browser, name.replaceAll(/\W+/g, "-").slice(0, 30));
      throw error;
    }
  });
};

promise("each page comes with its policy, and strangers get nothing", policy);
promise("pages of others get nothing out of any route or socket", strangers);
promise("two people, an editor and a crash: no verb is lost", together);
promise("hostile names are text", hostile);
promise("decided by a person: whose change stays, groups, the next step, a .env", decided);
promise("cared for: an image from a registry, a new login, a tag that moves on, a backup and back", cared);
promise("on another target: its pages, a Go that names it, and a move home", elsewhere);
promise("in bad weather: only my changes, a cut stream, a server that dies in the middle", inBadWeather);
promise("hostile bytes and ten thousand lines a second: the log stays a log", flood);
promise("round trip: canvas, file and API are one", roundTrip);
promise("by the outline: a tree that is read out, wires, undo, plan", byOutline);
promise("each state, two themes: no rule broken", inEachState);
promise("failure: a Go that fails, a file that is broken", inFailure);
promise("forced colours and 400 %", forcedAndMagnified);
promise("focus is never out of sight", focusInSight);
// They begin to be compared when somebody has made, looked at and committed them.
if (renewing || existsSync(new URL("pictures", import.meta.url)))
  promise("pictures of each screen, two themes, three widths", pictures);
else console.log("# no reference pictures yet: cargo x canvas --pictures");
promise("speed at 200 blocks and 300 wires", speed);
promise("by mouse: shelf, wires, Go, the address, a push, and back", byMouse);
promise("by keys alone: shelf, wires, undo, plan, Go", byKeys);
promise("every screen of a running app, two themes, three widths: no rule broken", (server, browser) =>
  screens(server, browser, "mousy"),
);
promise("every screen of a draft", (server, browser) => screens(server, browser, "shared"));
