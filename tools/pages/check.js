// Checks every HTML page of a demo in headless Chromium: as nobody and as each role, at 1280 and 390 pixels, light and dark.
// A page fails if axe-core finds something serious or critical, if it is wider than the window, if it writes to the console,
// or if one of its links leads to an error. Usage: node check.js BINARY [--shots DIRECTORY]. CHROMIUM names the browser.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const [binary, ...flags] = process.argv.slice(2);
const shots = flags[0] === "--shots" ? flags[1] : "";
const only = process.env.ONLY ? new RegExp(process.env.ONLY) : null;
const roles = ["patient", "doctor", "nurse", "receptionist", "admin", "auditor", "operator"];
const widths = [1280, 390];
const schemes = ["light", "dark"];
// The dashboard of River is not ours: only its links and its console are checked.
const foreign = ["/admin/river"];

const failures = [];
const fail = (what) => {
  failures.push(what);
  console.log("FAIL " + what);
};

// start runs a demo on a free port with a database of its own, and returns its URL and tokens.
const start = async () => {
  const data = mkdtempSync(join(tmpdir(), "carewire-pages-"));
  const service = spawn(binary, ["serve", "--demo"], {
    env: { ...process.env, CAREWIRE_DATA_DIR: data, CAREWIRE_ADDR: "127.0.0.1:0", CAREWIRE_LOG_LEVEL: "error" }, stdio: ["ignore", "pipe", "inherit"],
  });
  let banner = "";
  const url = await new Promise((resolve, reject) => {
    service.on("exit", (code) => reject(new Error("the service ended with " + code)));
    service.stdout.on("data", (chunk) => {
      banner += chunk;
      if (banner.includes("GATEWAY=")) resolve(banner.match(/^API +(\S+)\/api/m)[1]);
    });
  });
  const stop = () => new Promise((resolve) => {
    service.removeAllListeners("exit");
    service.on("exit", () => {
      rmSync(data, { recursive: true, force: true });
      resolve();
    });
    service.kill("SIGINT");
  });
  const tokens = Object.fromEntries([...banner.matchAll(/^([A-Z_]+)=(\S+)$/gm)].map((m) => [m[1].toLowerCase(), m[2]]));
  return { url, tokens, stop };
};

// statuses returns the statuses of a kind of records, which the description of its creation lists.
const statuses = (document, path) => document.paths[path].post.description.match(/`status` is one of ([^.]*)\./)[1].split(", ");

// seed writes one subject of each kind that has a page.
const seed = async ({ url, tokens }) => {
  const call = async (as, method, path, body, headers) => {
    const answer = await fetch(url + path, {
      method, headers: { Authorization: "Bearer " + tokens[as], ...(body && { "Content-Type": "application/json" }), ...headers }, body: body && JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    return answer.status === 204 ? null : answer.json();
  };
  const me = await call("patient", "GET", "/api/me");
  const doctor = await call("doctor", "GET", "/api/me");
  const who = { patientId: me.id, clinicId: me.memberships[0].clinicId };
  const loinc = (code, display) => ({ system: "http://loinc.org", code, display });
  const document = await call("doctor", "GET", "/openapi.json");
  for (const path of Object.keys(document.paths).filter((p) => /^\/api\/ehr\/[a-z-]+$/.test(p))) {
    const content = document.paths[path].post?.requestBody?.content["application/json"];
    if (!content?.example) continue;
    const status = ["final", "resolved", "completed", "active"].find((st) => statuses(document, path).includes(st));
    await call("doctor", "POST", path, { ...content.example, ...who, doctorId: doctor.id, status }).catch((e) => console.log("note " + e.message));
  }
  await call("doctor", "POST", "/api/ehr/lab-reports", {
    ...who, status: "final", effectiveAt: "2026-03-14T09:30:00Z", code: loinc("24323-8", "Comprehensive metabolic panel"),
    results: [
      { code: loinc("2823-3", "Potassium"), value: 5.6, unit: "mmol/L", interpretation: "H", referenceRange: { low: 3.5, high: 5.1 } },
      { code: loinc("2951-2", "Sodium"), value: 140, unit: "mmol/L", interpretation: "N", referenceRange: { low: 135, high: 145 } },
    ],
  });
  await call("nurse", "POST", "/api/ehr/lab-reports", { // The doctor must acknowledge it.
    ...who, doctorId: doctor.id, status: "final", effectiveAt: "2026-03-14T09:30:00Z", code: loinc("2823-3", "Potassium"),
    results: [{ code: loinc("2823-3", "Potassium"), value: 7.1, unit: "mmol/L", interpretation: "HH" }],
  });
  const day = new Date(Date.now() + 3 * 86400e3).toISOString().slice(0, 10);
  const book = (hour) => call("receptionist", "POST", "/api/appointments", {
    ...who, doctorId: doctor.id, startsAt: `${day}T${hour}:00:00Z`, endsAt: `${day}T${hour}:30:00Z`, override: true,
  });
  await book("09");
  const off = await book("11");
  await new Promise((resolve) => setTimeout(resolve, 1000)); // Its reminders are planned.
  await call("receptionist", "POST", `/api/appointments/${off.id}/cancel`, null, { "If-Match": `"${off.version}"` });
  await call("patient", "PUT", "/api/me/preferences", { quietHours: [{ from: "22:00", to: "07:00" }] });
  await call("admin", "PUT", `/api/clinics/${who.clinicId}/notification-defaults`, { essential: ["appointment"] });
  await call("receptionist", "POST", "/api/billing/invoices", {
    ...who, currency: "EUR", dueOn: day, number: "2026-0001",
    lines: [{ description: "Blood panel", quantity: 2, unitMinor: 425000, taxBps: 1900, discountBps: 500 }, { description: "Consultation", quantity: 1, unitMinor: 4500 }],
  });
  const talk = await call("patient", "POST", "/api/conversations", { ...who, subject: "After the blood test" });
  await call("patient", "POST", `/api/conversations/${talk.id}/messages`, { text: "May I eat before the blood test?" });
  await call("doctor", "POST", `/api/conversations/${talk.id}/messages`, { text: "Please do not eat for eight hours before it." });
  await fetch(url + "/sandbox/faults", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ channel: "push", to: "none", status: 503, count: 1 }) });
  await new Promise((resolve) => setTimeout(resolve, 4000)); // The messages are sent.
};

// thin leaves two entries of each group of a long reference: axe-core takes minutes for thousands of entries of one form.
const thin = () => {
  if (document.querySelectorAll("*").length < 5000) return;
  for (const group of document.querySelectorAll(".group")) {
    for (const item of [...group.querySelectorAll(".item")].slice(2)) item.remove();
  }
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    if (!document.getElementById(decodeURIComponent(link.hash.slice(1)))) (link.closest("li") ?? link).remove();
  }
};

// edits are what is done with the form of a page before it is looked at again.
const submit = (page, button) => Promise.all([page.waitForNavigation(), page.click(button)]);
const edits = {
  "/preferences": {
    added: (page) => submit(page, "button[name=add]"),
    mistaken: async (page) => {
      await page.$eval("[name=timeZone]", (e) => { e.value = "Berlin"; });
      await page.$eval("[name=quiet-0-to]", (e) => { e.value = "22:00"; });
      await submit(page, ".actions button:not([name])");
    },
  },
};

// inspect looks at the page that is open.
const inspect = async (page, name, path) => {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (wide > 0) fail(`${name}: ${wide} pixels wider than the window`);
  if (!foreign.some((p) => path.startsWith(p))) {
    await page.evaluate(thin);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { iframes: false }));
    for (const v of violations) {
      if (v.impact === "serious" || v.impact === "critical") fail(`${name}: ${v.id} (${v.impact}): ${v.nodes.slice(0, 3).map((n) => n.target.join(" ")).join("; ")}`);
      else console.log(`note ${name}: ${v.id} (${v.impact}): ${v.nodes[0].target.join(" ")}`);
    }
  }
  if (shots) await page.screenshot({ path: join(shots, name.replace(/[^a-z0-9]+/gi, "_") + ".png"), fullPage: !/\/docs\/./.test(path) });
};

const check = async (page, url, path, role) => {
  for (const scheme of schemes) {
    for (const width of widths) {
      const name = `${role} ${path} ${width} ${scheme}`;
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      const answer = await page.goto(url + path, { waitUntil: "networkidle2" });
      if (answer.status() >= 400 && !path.includes("no-such")) fail(`${name}: ${answer.status()}`);
      await inspect(page, name, path);
      if (role !== "patient") continue;
      for (const [what, edit] of Object.entries(edits[path] ?? {})) {
        await edit(page);
        await inspect(page, `${name} ${what}`, path);
      }
      if (edits[path]) await page.goto(url + path, { waitUntil: "load" }); // Its links are followed.
    }
  }
};

// links returns the paths of this service that the page links to.
const links = (page) => page.evaluate(() => [...document.querySelectorAll("a[href]")]
  .map((a) => new URL(a.href)).filter((u) => u.origin === location.origin).map((u) => u.pathname + u.search));

const crawl = async (browser, url, role, seen) => {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  page.on("console", (m) => ["error", "warn"].includes(m.type()) && !page.url().includes("no-such") && !m.text().includes("status of 422") && fail(`${role} ${page.url()}: console: ${m.text()}`));
  page.on("pageerror", (e) => fail(`${role} ${page.url()}: ${e.message}`));
  if (role !== "nobody") {
    await page.goto(url + "/login", { waitUntil: "load" });
    await Promise.all([page.waitForNavigation(), page.click(`button[value="${role}@demo.example"]`)]);
  }
  const queue = ["/", "/no-such-page", ...(role === "nobody" ? ["/login", "/sandbox", "/docs/search?q=lab+report", "/docs/search?q=nosuchword"] : [])];
  const visited = new Set(queue);
  while (queue.length) {
    const path = queue.shift();
    // A page that looks the same for everybody is checked once.
    if (/^\/(docs|openapi|sandbox)/.test(path)) {
      if (seen.has(path)) continue;
      seen.add(path);
    }
    if (/^\/(openapi|sandbox\/(messages|faults|clock)|readyz|metrics)/.test(path)) {
      const cookie = (await context.cookies()).map((c) => c.name + "=" + c.value).join("; ");
      const answer = await fetch(url + path, { headers: { cookie } });
      if (!answer.ok) fail(`${role} ${path}: ${answer.status}`);
      await answer.arrayBuffer();
      continue;
    }
    if (!only || only.test(role + " " + path)) await check(page, url, path, role);
    else await page.goto(url + path, { waitUntil: "load" });
    if (foreign.some((p) => path.startsWith(p))) continue;
    const kinds = new Map();
    for (const next of await links(page)) {
      // Of many notifications and records, the first of each page is looked at.
      const kind = next.replace(/[0-9a-f-]{36}/g, "ID").replace(/cursor=.*/, "");
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      if (visited.has(next) || kinds.get(kind) > (kind.includes("ID") ? 2 : 1)) continue;
      visited.add(next);
      queue.push(next);
    }
  }
  await context.close();
  console.log(`${role}: ${visited.size} pages`);
};

if (shots) mkdirSync(shots, { recursive: true });
const service = await start();
let browser;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, async () => {
    await service.stop();
    process.exit(130);
  });
}
try {
  await seed(service);
  browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
  const seen = new Set();
  for (const role of ["nobody", ...roles]) await crawl(browser, service.url, role, seen);
} finally {
  await browser?.close();
  await service.stop();
}
console.log(failures.length ? `${failures.length} failures` : "all pages pass");
process.exit(failures.length ? 1 : 0);
