// node check.mjs SITE LISTING STATUS OUT
import { chromium } from 'playwright-core';

const [site, listing, status, out] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const problems = [];

async function look(name, url, { width, dark, status = 200 }) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: dark ? 'dark' : 'light' });
  const page = await context.newPage();
  page.on('console', (message) => { if (message.type() === 'error' && status === 200) problems.push(`${name}: console: ${message.text()}`); });
  page.on('requestfailed', (request) => problems.push(`${name}: ${request.url()} failed`));
  page.on('response', (response) => { if (response.status() >= 400 && status === 200) problems.push(`${name}: ${response.url()} is ${response.status()}`); });
  const answer = await page.goto(url, { waitUntil: 'networkidle' });
  if (answer.status() !== status) problems.push(`${name}: status ${answer.status()}, wanted ${status}`);
  const facts = await page.evaluate(() => ({
    title: document.title,
    wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    broken: [...document.images].filter((image) => !image.complete || image.naturalWidth === 0).length,
    text: document.body.innerText,
  }));
  if (!facts.title) problems.push(`${name}: no title`);
  if (facts.wide > 0) problems.push(`${name}: ${facts.wide} pixels too wide at ${width}`);
  if (facts.broken) problems.push(`${name}: ${facts.broken} broken images`);
  await page.screenshot({ path: `${out}/${name}.png`, fullPage: true });
  await context.close();
  return facts;
}

for (const [suffix, view] of Object.entries({ desktop: { width: 1280 }, phone: { width: 360 }, dark: { width: 1280, dark: true } })) {
  await look(`welcome-${suffix}`, site, view);
  await look(`happened-${suffix}`, new URL('what-just-happened.html', site).href, view);
  const { text } = await look(`listing-${suffix}`, listing, view);
  for (const wanted of [`<b>&"'.txt`, 'big.bin', '2.9 MiB']) {
    if (!text.includes(wanted)) problems.push(`listing-${suffix}: no ${wanted}`);
  }
  const { text: told } = await look(`status-${suffix}`, status, view);
  for (const wanted of ['Answers', 'Connections', 'Routes', 'ready', '99 % below']) {
    if (!told.includes(wanted)) problems.push(`status-${suffix}: no ${wanted}`);
  }
}
await look('missing', new URL('nowhere', site).href, { width: 1280, status: 404 });

// A listing is used with the keyboard: the second link is the file after the directory.
const page = await browser.newPage();
await page.goto(listing);
await page.keyboard.press('Tab');
await page.keyboard.press('Enter');
await page.waitForURL((url) => url.pathname.includes('a%20directory'));
await browser.close();

for (const each of problems) console.error(each);
console.log(problems.length ? `${problems.length} problems` : `13 pages looked at, nothing wrong; screenshots in ${out}`);
process.exit(problems.length ? 1 : 0);
