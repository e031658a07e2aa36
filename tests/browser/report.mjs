// node report.mjs PAGE UNDER_WAY OUT: looks at the lab's report, as a file, without network.
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const [file, fileUnderWay, out] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const problems = [];
const expect = (name, is, what) => { if (!is) problems.push(`${name}: ${what}`); };

// Without motion: a page that still scrolls moves from under the pointer.
async function open(name, { width = 1280, dark = false, scripts = true, url = pathToFileURL(file).href } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: dark ? 'dark' : 'light', javaScriptEnabled: scripts, reducedMotion: 'reduce', offline: url.startsWith('file:') });
  const page = await context.newPage();
  page.on('console', (message) => { if (message.type() !== 'log') problems.push(`${name}: console: ${message.text()}`); });
  page.on('pageerror', (error) => problems.push(`${name}: ${error}`));
  page.on('request', (request) => { if (url.startsWith('file:') && !request.url().startsWith('file:') && !request.url().startsWith('data:')) problems.push(`${name}: asks for ${request.url()}`); });
  await page.goto(url);
  await page.waitForTimeout(200);
  return page;
}

const charts = (page) => page.evaluate(() => ({
  lines: document.querySelectorAll('figure.lines').length,
  live: document.querySelectorAll('figure.lines .drawing[role=application]').length,
  drawings: [...document.querySelectorAll('svg.chart')].filter((svg) => svg.getBoundingClientRect().height > 50).length,
  art: [...document.querySelectorAll('.art svg')].filter((svg) => svg.getBoundingClientRect().height > 50).length,
}));

// Text of a drawing that sticks out of it is cut off or covers something else.
const strayText = (page) => page.evaluate(() => [...document.querySelectorAll('svg.chart text, .art text')].filter((text) => {
  const [box, frame] = [text.getBoundingClientRect(), text.ownerSVGElement.getBoundingClientRect()];
  return box.width > 0 && (box.left < frame.left - 3 || box.right > frame.right + 3 || box.bottom > frame.bottom + 3);
}).map((text) => `${text.closest('figure, article').id}: ${text.textContent}`));

for (const [name, view] of Object.entries({ desktop: {}, dark: { dark: true }, phone: { width: 360 }, 'phone-still': { width: 360, scripts: false }, still: { scripts: false } })) {
  const page = await open(`report-${name}`, view);
  const found = await charts(page);
  expect(name, found.lines >= 4, `${found.lines} line charts`);
  expect(name, found.art === 9, `${found.art} drawings of models`);
  expect(name, found.live === (view.scripts === false ? 0 : found.lines), `${found.live} interactive charts of ${found.lines}`);
  expect(name, found.drawings >= 5 + found.lines, `${found.drawings} drawings`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(name, wide === 0, `${wide} pixels too wide`);
  for (const stray of await strayText(page)) problems.push(`${name}: text outside its drawing: ${stray}`);
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  expect(name, (paper === 'rgb(15, 24, 29)') === Boolean(view.dark), `the paper is ${paper}`);
  await page.screenshot({ path: `${out}/report-${name}.png`, fullPage: true });
  await page.context().close();
}

// Keys, pointer, legend.
{
  const page = await open('keys');
  const figure = page.locator('figure.lines').first();
  const plot = figure.locator('.drawing');
  await plot.focus();
  await page.keyboard.press('Home');
  await page.keyboard.press('ArrowRight');
  expect('keys', (await figure.locator('.at').textContent()).startsWith('connections: 20'), 'Home and right do not lead to the second value');
  expect('keys', /^20: threads \d/.test(await figure.locator('[aria-live]').textContent()), 'the values are not spoken');
  const values = await figure.locator('.legend output').allTextContents();
  expect('keys', values.length === 9 && values.every((value) => value !== ''), `the legend says ${values}`);
  await page.keyboard.press('End');
  expect('keys', (await figure.locator('.at').textContent()).startsWith('connections: 20,000'), 'End does not lead to the last value');
  expect('keys', (await figure.locator('.legend output').nth(1).textContent()) === '\u2013', 'select has a value at its end');
  const button = figure.locator('.legend button').nth(2);
  await button.focus();
  await page.keyboard.press('Space');
  expect('keys', await button.getAttribute('aria-pressed') === 'false', 'Space does not hide a line');
  expect('keys', await figure.locator('.wide [data-series="2"]').first().isHidden(), 'the line is still there');
  await page.keyboard.press('Enter');
  expect('keys', await button.getAttribute('aria-pressed') === 'true', 'Enter does not show it again');
  await plot.hover();
  expect('pointer', (await figure.locator('.at').textContent()).startsWith('connections: '), 'pointing shows no values');
  await figure.screenshot({ path: `${out}/report-hover.png` });
  expect('pointer', await figure.locator('.wide .place.is-read').count() === 1, 'the place that is read is not drawn');
  const bar = page.locator('.bars .wide .bar').first();
  await bar.focus();
  expect('bars', (await bar.getAttribute('aria-label')).startsWith('threads: '), 'a bar has no words');
  await page.keyboard.press('Escape');
  await page.context().close();
}

// What a screen reader is told, from Chromium's own tree.
{
  const page = await open('tree');
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const named = (role) => nodes.filter((node) => !node.ignored && node.role?.value === role).map((node) => node.name?.value ?? '');
  for (const role of ['button', 'link', 'application', 'img', 'image', 'figure', 'table', 'region', 'navigation']) {
    for (const name of named(role)) expect('tree', name !== '', `a ${role} without a name`);
  }
  expect('tree', named('main').length === 1 && named('navigation').length === 1, 'landmarks are missing');
  expect('tree', named('application').length >= 4, 'interactive charts have no role');
  expect('tree', named('table').length >= 1 && named('columnheader').length >= 4 && named('rowheader').length >= 6, 'the claims are not a table');
  const levels = await page.evaluate(() => [...document.querySelectorAll('h1, h2, h3, h4')].map((heading) => Number(heading.tagName[1])));
  expect('tree', levels[0] === 1 && levels.every((level, at) => at === 0 || level - levels[at - 1] <= 1), 'a level of headings is skipped');
  await page.keyboard.press('Tab');
  expect('tree', await page.evaluate(() => document.activeElement.className) === 'skip', 'the skip link is not first');
  await page.context().close();
}

// The phone's claims are still a table.
{
  const page = await open('phone-tree', { width: 360 });
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  expect('phone', nodes.filter((node) => !node.ignored && node.role?.value === 'rowheader').length >= 6, 'the claims are not a table');
  await page.context().close();
}

{
  const page = await open('print');
  await page.pdf({ path: `${out}/report.pdf`, format: 'A4', printBackground: true });
  const unfolded = (event) => page.evaluate((name) => {
    dispatchEvent(new Event(name));
    return [...document.querySelectorAll('details[open]')].map((each) => Boolean(each.closest('figure')));
  }, event);
  // The sample has no table of its own that is long enough to be folded.
  await page.evaluate(() => document.querySelector('main').insertAdjacentHTML('beforeend',
    '<details id="long"><summary>A long table</summary><p>Its rows.</p></details>'));
  const tables = await page.evaluate(() => [...document.querySelectorAll('details')].filter((each) => !each.closest('figure')).length);
  const printed = await unfolded('beforeprint');
  expect('print', tables > 0 && printed.length === tables && !printed.includes(true), 'a folded table is not printed');
  expect('print', (await unfolded('afterprint')).length === 0, 'what was unfolded for the printer stays so');
  await page.evaluate(() => document.querySelector('#long').remove());
  await page.emulateMedia({ media: 'print' });
  await page.setViewportSize({ width: 690, height: 980 });
  await page.screenshot({ path: `${out}/report-print.png`, fullPage: true });
  expect('print', !(await page.locator('.legend').first().isVisible()) && await page.locator('svg.lines').first().isVisible(), 'paper shows the interactive chart');
  await page.context().close();
}

// A run that goes on: the page follows it, and is loaded again when it has ended, at the same place.
{
  let done = 31;
  let loads = 0;
  const server = createServer((request, answer) => {
    if (request.url === '/progress.json') {
      answer.setHeader('content-type', 'application/json');
      answer.end(JSON.stringify({ done, planned: 90, seconds_left: 300, current: done < 90 ? 'epoll' : '' }));
    } else {
      ++loads;
      answer.setHeader('content-type', 'text/html');
      answer.end(readFileSync(done < 90 ? fileUnderWay : file));
    }
  });
  await new Promise((started) => server.listen(0, '127.0.0.1', started));
  const page = await open('under-way', { url: `http://127.0.0.1:${server.address().port}/` });
  const bar = page.getByRole('progressbar', { name: 'Measuring' });
  expect('under-way', await bar.getAttribute('aria-valuenow') === '34', 'the bar is not where it should be');
  await page.screenshot({ path: `${out}/report-under-way.png` });
  done = 32;
  await page.waitForFunction(() => document.querySelector('.part').textContent === '32 of 90');
  expect('under-way', loads === 1, 'one measurement is no reason to load the page');
  await page.evaluate(() => { document.querySelector('details').open = true; });
  await page.evaluate(() => document.querySelector('#growth').scrollIntoView({ behavior: 'instant' }));
  const before = await page.evaluate(() => document.querySelector('#growth').getBoundingClientRect().top);
  done = 90;
  await page.waitForFunction(() => !document.getElementById('under-way'));
  await page.waitForTimeout(300);
  const after = await page.evaluate(() => document.querySelector('#growth').getBoundingClientRect().top);
  expect('under-way', Math.abs(after - before) < 5, `the reader's place has moved by ${after - before}`);
  expect('under-way', await page.evaluate(() => document.querySelectorAll('details[open]').length) === 1, 'what was unfolded is folded again');
  let asked = false;
  page.on('request', () => { asked = true; });
  await page.waitForTimeout(1500);
  expect('under-way', !asked && loads === 2, 'a finished page goes on asking');
  server.close();
  await page.context().close();
}

await browser.close();
for (const each of problems) console.error(each);
console.log(problems.length ? `${problems.length} problems` : `the lab's report looked at, nothing wrong; screenshots in ${out}`);
process.exit(problems.length ? 1 : 0);
