// Looks at the status page in a real browser, as people do who see, who type, and who listen.
//
//   node look.js URL FOLDER STATE FILTER
//
// Prints one JSON document with what was found. STATE is an entry of the state filter, FILTER is typed.
"use strict";

const { chromium } = require("playwright-core");
const axe = require("axe-core");

const [url, folder, state, words] = process.argv.slice(2);
const SWITCHES = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

const visible = (page) => page.locator("tbody tr:visible");
const first = (page) => visible(page).first().locator("th").getAttribute("data-value");

async function look(browser, colorScheme, found) {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1280, height: 900 } });
  page.on("console", (message) => found.complaints.push(message.text()));
  page.on("pageerror", (error) => found.complaints.push(String(error)));
  page.on("request", (request) => found.requests.push(request.url()));
  const began = Date.now();
  await page.goto(url, { waitUntil: "load" });
  found.loaded.push(Date.now() - began);
  await page.screenshot({ path: `${folder}/${colorScheme}.png` });
  const { violations } = await page.evaluate(`${axe.source}; axe.run()`);
  found.violations.push(...violations.map(({ id, nodes }) => `${colorScheme}: ${id} at ${nodes[0].html.slice(0, 200)}`));
  return page;
}

async function main() {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: SWITCHES });
  const found = { complaints: [], requests: [], loaded: [], violations: [] };
  await look(browser, "dark", found);
  const page = await look(browser, "light", found);
  found.rows = await visible(page).count();

  // By the keyboard alone: past the head of the page, into the filter, to a heading, and into a project's keys.
  await page.keyboard.press("Tab");
  found.skip = await page.evaluate("document.activeElement.className");
  await page.locator("#filter").focus();
  await page.keyboard.type(words);
  found.filtered = await visible(page).count();
  found.told = await page.locator("#shown").textContent();
  await page.reload();
  found.after_refresh = await visible(page).count();
  await page.locator("#filter").fill("");
  await page.locator("#state").selectOption(state);
  found.of_the_state = await visible(page).count();
  await page.screenshot({ path: `${folder}/filtered.png` });
  await page.locator("#state").selectOption("");

  const heading = page.getByRole("button", { name: "Project" });
  await heading.focus();
  await page.keyboard.press("Enter");
  found.up = [await first(page), await page.locator("th[aria-sort]").getAttribute("aria-sort")];
  await page.keyboard.press("Enter");
  found.down = [await first(page), await page.locator("th[aria-sort]").getAttribute("aria-sort")];

  const keys = page.locator("summary").first();
  if (await keys.count()) {
    await keys.focus();
    await page.keyboard.press("Enter");
    found.keys = await page.locator("details[open] li").first().innerText();
  }
  const narrow = await browser.newPage({ viewport: { width: 400, height: 800 }, javaScriptEnabled: false });
  await narrow.goto(url);
  found.without_script = await narrow.locator("tbody tr").count();
  found.overflows = await narrow.evaluate("document.documentElement.scrollWidth > innerWidth").catch(() => null);
  await narrow.screenshot({ path: `${folder}/narrow.png` });
  await browser.close();
  console.log(JSON.stringify(found));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
