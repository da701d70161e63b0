// A block that writes what a terminal or a page might obey, and then ten thousand lines a second. The
// lines are text and stay in order; the page answers meanwhile, holds still for who looks back, keeps a
// bounded part, and says how much it let go.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { makeApp, must } from "./api.mjs";
import { clean, person } from "./browser.mjs";
import { broken, settled } from "./looks.mjs";
import { eventually, PATIENCE } from "./server.mjs";

const APP = "loud";
const RATE = 10_000;
const SECONDS = 8;
const LINES = RATE * SECONDS;
/** What the ring keeps. */
const KEPT = 50_000;

const DOCKERFILE = `FROM debian:12
COPY loud.pl /loud.pl
EXPOSE 8080
CMD ["perl", "/loud.pl"]
`;

// /hostile writes what a log may not do; /flood writes so many lines a second for so many seconds.
const PROGRAM = `use strict; use warnings; use IO::Socket::INET; use Time::HiRes qw(time sleep); $| = 1;
$SIG{TERM} = sub { exit 0 };
my $listener = IO::Socket::INET->new(LocalPort => 8080, Listen => 16, ReuseAddr => 1) or die "no port: $!";
print "listening on 8080\\n";
while (my $client = $listener->accept) {
  my $first = <$client> // ""; while (my $line = <$client>) { last if $line =~ /^\\r?\\n$/ }
  print $client "HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\nConnection: close\\r\\n\\r\\nok\\n"; close $client;
  if ($first =~ m{ /hostile }) {
    print "html <img src=x onerror=window.hit=1><script>window.hit=1</script>\\n";
    print "colour \\e[31mred\\e[0m clear \\e[2J\\e[H title \\e]0;hit\\a end\\n";
    print "nul \\0 bell \\a back \\b delete \\x7f\\n";
    print "bytes \\xff\\xfe\\xc0\\xaf end\\n";
    print "turned \\xe2\\x80\\xae txt.exe \\xe2\\x81\\xa6 end\\n";
    print "long " . ("x" x (1024 * 1024)) . " end\\n";
    print "nuls " . ("\\0" x 262144) . " end\\n";
    print "after all that\\n";
  }
  if ($first =~ m{ /flood }) {
    my ($n, $start) = (0, time);
    while ($n < ${LINES}) {
      my $due = int((time - $start) * ${RATE}); $due = ${LINES} if $due > ${LINES};
      my $text = "";
      while ($n < $due) { $n++; $text .= sprintf("line %07d of the flood, with some words after it\\n", $n); }
      print $text; sleep 0.01;
    }
    print "the flood is over\\n";
  }
}
`;

const knock = (server, path) =>
  new Promise((done, failed) => {
    const headers = { host: `${APP}.localhost:${server.http}` };
    get({ host: "127.0.0.1", port: server.http, path, headers }, (answer) => {
      answer.resume();
      answer.on("end", () =>
        answer.statusCode === 200 ? done() : failed(new Error(`${answer.statusCode}`)),
      );
    }).on("error", failed);
  });

const foot = (page) => page.locator(".log-foot span").first().textContent();
const number = (text) => Number(text.replaceAll(",", ""));

export async function flood(server, browser) {
  const one = await person(browser, server);
  const { page } = one;
  await makeApp(page, APP);
  const folder = join(server.data, "apps", APP, "loud");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "Dockerfile"), DOCKERFILE);
  writeFileSync(join(folder, "loud.pl"), PROGRAM);
  await must(page, "POST", `/v1/apps/${APP}/edits`, {
    edits: [
      { verb: "add", block: "loud", source: "./loud", port: 8080 },
      { verb: "url", block: "loud", path: ["/"] },
    ],
  });
  await page.goto(`${server.origin}/apps/${APP}`);
  await page.getByRole("button", { name: "Go", exact: true }).click();
  await page.locator('.go-panel[data-state="done"]').waitFor({ timeout: 60_000 * PATIENCE });
  await page.locator('[data-block-button="loud"]').focus();
  await page.keyboard.press("l");
  await page.locator(".log-row").first().waitFor();

  await obeysNothing(server, page);
  await survives(server, page);
  clean(one);
  await one.context.close();
}

async function obeysNothing(server, page) {
  const title = await page.title();
  await knock(server, "/hostile");
  await page.getByText("after all that").waitFor();
  const rows = await page.locator(".log-row .log-text").allInnerTexts();
  const row = (word) => rows.find((it) => it.startsWith(`${word} `));
  assert.ok(row("html").includes("<img src=x onerror=window.hit=1><script>"), row("html"));
  assert.equal(row("colour"), "colour red clear  title  end");
  assert.equal(row("nul"), "nul ^@ bell ^G back ^H delete ^?");
  assert.ok(/^bytes \ufffd+ end$/.test(row("bytes")), row("bytes"));
  assert.equal(row("turned"), "turned ‹U+202E› txt.exe ‹U+2066› end");
  assert.equal(await page.evaluate(() => window.hit), undefined, "a line was run");
  assert.equal(await page.locator(".log-row img, .log-row script").count(), 0);
  assert.equal(await page.title(), title);
  // The long lines came in pieces, in order, and nothing of them is missing.
  const text = await downloaded(page);
  const body = (line) => line.split(" ").slice(2).join(" ");
  const lines = text.split("\n").map(body);
  const from = (word) => lines.findIndex((it) => it.startsWith(`${word} `));
  const long = lines.slice(from("long"), from("nuls")).join("");
  assert.equal(long.length, "long  end".length + 1024 * 1024, "the long line is not whole");
  assert.ok(long.endsWith("x end"), "its pieces are not in order");
  const nuls = lines.slice(from("nuls"), lines.indexOf("after all that")).join("");
  assert.equal(nuls.length, "nuls  end".length + 262144, "the line of NULs is not whole");
  await settled(page);
  if (process.env.SHELF_SHOTS) await page.screenshot({ path: `${process.env.SHELF_SHOTS}/log-hostile.png` });
  assert.deepEqual(await broken(page), []);
}

async function downloaded(page) {
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: "Download", exact: true }).click();
  return readFileSync(await (await waiting).path(), "utf8");
}

async function survives(server, page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const metric = async (name) => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return metrics.find((it) => it.name === name).value;
  };
  const [work, begun] = [await metric("TaskDuration"), Date.now()];
  const total = async () => {
    const [, shown, dropped] = /^([\d,]+) lines?(?:, ([\d,]+) older)?/.exec(await foot(page)) ?? [];
    return number(shown ?? "0") + number(dropped ?? "0");
  };
  const quiet = await total();
  await page.evaluate(() => {
    window.frames_ = [];
    let last = performance.now();
    const step = (now) => {
      window.frames_.push(now - last);
      last = now;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
  await knock(server, "/flood");
  await page
    .getByText(/^line \d+ of the flood/)
    .first()
    .waitFor();
  // Who looks back sees the same lines while thousands come.
  const list = page.getByRole("log");
  await list.hover();
  await page.mouse.wheel(0, -400);
  const follow = page.getByRole("button", { name: /new lines/ });
  await follow.waitFor();
  const top = () =>
    list.evaluate((box) => {
      const edge = box.getBoundingClientRect().top;
      const rows = [...box.querySelectorAll(".log-row")];
      return rows.find((it) => it.getBoundingClientRect().bottom > edge + 1)?.querySelector(".log-text")
        .textContent;
    });
  const [seen, news] = [await top(), await follow.textContent()];
  await page.waitForFunction(
    (news) => {
      const now = document.querySelector(".log-follow")?.textContent ?? "";
      const count = (text) => Number(text.replaceAll(/\D/g, ""));
      return count(now) > count(news) + 5_000;
    },
    news,
    { timeout: 20_000 * PATIENCE },
  );
  assert.equal(await top(), seen, "the log moved under who looked back");
  // A key is answered in the middle of it.
  await page.getByRole("button", { name: "Wrap long lines" }).click();
  await page.locator(".log-lines.wrap").waitFor();
  await page.getByRole("button", { name: "Wrap long lines" }).click();
  await follow.click();
  await page.getByText("the flood is over").waitFor({ timeout: 60_000 * PATIENCE });
  await eventually(10, "every line is counted", async () =>
    assert.equal((await total()) - quiet, LINES + 1, "lines are missing, or there twice"),
  );
  const thread = ((await metric("TaskDuration")) - work) / ((Date.now() - begun) / 1000);
  const frames = (await page.evaluate(() => window.frames_)).sort((a, b) => a - b);
  await cdp.send("HeapProfiler.collectGarbage");
  const heap = (await metric("JSHeapUsedSize")) / 1e6;
  const at = (part) => frames[Math.floor((frames.length - 1) * part)].toFixed(0);
  console.log(
    `# ${RATE} lines/s: thread ${(thread * 100).toFixed(0)} %, frames p50 ${at(0.5)} p95 ${at(0.95)} ms, heap ${heap.toFixed(0)} MB`,
  );
  assert.ok(heap < 150, `${heap} MB are kept`);
  assert.ok((await page.locator(".log-row").count()) < 200, "rows that nobody sees are in the page");
  // What is kept is the end, each line once and in order; what was let go is said.
  const text = await downloaded(page);
  const numbers = [...text.matchAll(/ line (\d{7}) of the flood/g)].map(([, it]) => Number(it));
  assert.equal(numbers.at(-1), LINES);
  assert.ok(numbers.length >= KEPT - 1, `${numbers.length} are kept`);
  assert.ok(
    numbers.every((it, n) => it === numbers[0] + n),
    "the lines that are kept have a gap",
  );
  assert.match(await foot(page), /[\d,]+ older ones dropped here/);
}
