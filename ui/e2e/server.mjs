// A Shelf server of our own: real binary, real containers, own directories and ports; ended and
// removed afterwards. Where next: browser.mjs.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A TCP port of the loopback that is free now. */
export const freePort = () =>
  new Promise((resolve) => {
    const probe = createServer().listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });

/** A state is waited for so much longer than it takes on a machine that has nothing else to do. */
export const PATIENCE = 6;

/** Tries until it does not throw; the last error after `seconds`, or many more on a busy machine. */
export async function eventually(seconds, what, work) {
  const end = Date.now() + seconds * 1000 * PATIENCE;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > end)
        throw new Error(`${what}: not so after ${seconds * PATIENCE} s: ${error.message}`);
      await new Promise((done) => setTimeout(done, 200));
    }
  }
}

export class Server {
  static async start() {
    const binary = process.env.SHELF_BIN;
    if (!binary || !existsSync(binary)) throw new Error("SHELF_BIN does not name the shelf binary");
    const server = new Server();
    server.binary = binary;
    server.folder = mkdtempSync(join(tmpdir(), "shelf-canvas-"));
    server.data = join(server.folder, "data");
    server.run = join(server.folder, "run");
    mkdirSync(server.data);
    const images = process.env.SHELF_TEST_IMAGES;
    // Layers hold device files, which only cp -a copies.
    if (images) execFileSync("cp", ["-a", images, join(server.data, "images")]);
    [server.http, server.api, server.canvas] = [await freePort(), await freePort(), await freePort()];
    await server.up();
    return server;
  }

  /** Starts the process; waits until it answers. */
  async up() {
    const at = (port) => `127.0.0.1:${port}`;
    const options = ["--data-dir", this.data, "--run-dir", this.run, "--http", at(this.http)];
    this.child = spawn(
      this.binary,
      ["serve", ...options, "--api", at(this.api), "--canvas", at(this.canvas)],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    this.said = "";
    for (const pipe of [this.child.stdout, this.child.stderr]) pipe.on("data", (data) => (this.said += data));
    await eventually(60, "the server answers", () => {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.said}`);
      this.shelf(["version", "--server"]);
    });
  }

  get origin() {
    return `http://127.0.0.1:${this.canvas}`;
  }

  /** Runs `shelf …` against this server; its standard output. */
  shelf(words, cwd = this.folder) {
    return execFileSync(this.binary, ["--run-dir", this.run, ...words], {
      cwd,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** A link that signs one browser in. */
  link(name = "Ada Lovelace") {
    const said = this.shelf(["open", "--name", name]);
    const found = /http:\/\/\S+\/open#\S+/.exec(said);
    if (!found) throw new Error(`shelf open printed no link: ${said}`);
    return found[0];
  }

  /** The server alone dies, as after a crash. */
  async kill() {
    this.child.kill("SIGKILL");
    await new Promise((done) => this.child.once("exit", done));
  }

  async end() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) await this.up();
    if (this.child.exitCode === null) {
      this.shelf(["serve", "--stop", "--containers"]);
      if (this.child.exitCode === null) await new Promise((done) => this.child.once("exit", done));
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** A folder of a person's own, where apps made on the canvas live: a page that needs a database. */
  hello(app) {
    const folder = join(this.data, "apps", app, "hello");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "Dockerfile"), DOCKERFILE);
    this.say(app, "hello from the first edition");
    return folder;
  }

  /** A change of the code. */
  say(app, words) {
    writeFileSync(join(this.data, "apps", app, "hello", "page.pl"), PAGE.replace("WORDS", words));
  }

  /** The app's page, as a visitor gets it. */
  page(app) {
    return new Promise((resolve, reject) => {
      const host = `${app}.localhost:${this.http}`;
      get({ host: "127.0.0.1", port: this.http, path: "/", headers: { host } }, (answer) => {
        let text = "";
        answer.on("data", (part) => (text += part));
        answer.on("end", () => resolve({ status: answer.statusCode, text }));
      }).on("error", reject);
    });
  }
}

const DOCKERFILE = `FROM debian:12
COPY page.pl /page.pl
EXPOSE 8080
CMD ["perl", "/page.pl"]
`;

// perl is part of every Debian, so nothing has to be fetched.
const PAGE = `use strict; use warnings; use IO::Socket::INET; $| = 1;
$SIG{TERM} = sub { exit 0 };
my $listener = IO::Socket::INET->new(LocalPort => 8080, Listen => 16, ReuseAddr => 1) or die "no port: $!";
print "listening on 8080\\n";
while (my $client = $listener->accept) {
  my $first = <$client> // ""; while (my $line = <$client>) { last if $line =~ /^\\r?\\n$/ }
  my $text = "WORDS; database " . ($ENV{DB_HOST} // "none") . "\\n";
  print $client "HTTP/1.1 200 OK\\r\\nContent-Type: text/plain\\r\\nConnection: close\\r\\nContent-Length: " . length($text) . "\\r\\n\\r\\n$text";
  close $client;
}
`;
