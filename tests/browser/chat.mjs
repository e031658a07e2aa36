// node chat.mjs ADDRESS OUT [STATUS]: two people in the chat example, in a real browser, and its echo with compression.
import { chromium } from 'playwright-core';

const [address, out, status] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const problems = [];
const expect = (name, is, what) => { if (!is) problems.push(`${name}: ${what}`); };

async function enter(name, width) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, ignoreHTTPSErrors: true });
  const page = await context.newPage();
  // Chromium asks for an icon by itself, and the example has none.
  page.on('console', (message) => { if (message.type() !== 'log' && !/favicon/.test(message.location().url)) problems.push(`${name}: console: ${message.text()}`); });
  page.on('pageerror', (error) => problems.push(`${name}: ${error}`));
  await page.goto(address);
  await page.fill('#name', name);
  await page.keyboard.press('Enter');
  await page.waitForSelector('#say', { state: 'visible' });
  expect(name, !await page.isVisible('#enter'), 'who has entered is asked for a name');
  await page.waitForSelector(`#log p:text-is("* ${name} has come, ${people.length + 1} here")`);
  people.push(page);
  return page;
}
const people = [];
const said = (page, text) => page.waitForSelector(`#log p:text-is("${text}")`);

const ann = await enter('Ann', 1280);
const bob = await enter('B\u00f6b <b>', 360);
await ann.fill('#text', 'Good evening, \u{1d11e} <i>all</i>');
await ann.keyboard.press('Enter');
await Promise.all(people.map((page) => said(page, 'Ann: Good evening, \u{1d11e} <i>all</i>')));
await bob.fill('#text', 'x'.repeat(300));
await bob.click('#say button');
await said(ann, 'B\u00f6b <b>: ' + 'x'.repeat(300));
for (const [name, page] of [['ann', ann], ['bob', bob]]) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(name, wide === 0, `${wide} pixels too wide`);
  await page.screenshot({ path: `${out}/chat-${status ? 'http2-' : ''}${name}.png`, fullPage: true });
}
await bob.context().close();
await said(ann, '* B\u00f6b <b> has gone, 1 here');

// The echo: what the browser sends, compressed as it likes, comes back; then a close with a reason.
const echoed = await ann.evaluate(async () => {
  const socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/echo`);
  socket.binaryType = 'arraybuffer';
  await new Promise((resolve, reject) => { socket.onopen = resolve; socket.onerror = reject; });
  const ask = (message) => new Promise((resolve) => { socket.onmessage = (event) => resolve(event.data); socket.send(message); });
  const text = 'caf\u00e9 \u{1d11e} '.repeat(20000);
  const bytes = new Uint8Array(1 << 20).map((_, at) => at * at);
  const back = await ask(text);
  const binary = new Uint8Array(await ask(bytes));
  const same = back === text && binary.length === bytes.length && binary.every((each, at) => each === bytes[at]);
  const closed = new Promise((resolve) => { socket.onclose = (event) => resolve([event.code, event.wasClean]); });
  socket.close(4001, 'enough');
  return { extensions: socket.extensions, same, closed: await closed };
});
expect('echo', echoed.same, 'what came back is not what was sent');
expect('echo', echoed.extensions.startsWith('permessage-deflate'), `extensions: ${echoed.extensions}`);
expect('echo', echoed.closed[0] === 4001 && echoed.closed[1], `closed with ${echoed.closed}`);

// Over TLS each WebSocket is a stream of its page's connection: none was asked for by HTTP/1.1.
if (status) {
  const metrics = await (await fetch(`http://${status}/metrics`)).text();
  const value = (name) => Number(metrics.split('\n').find((line) => line.startsWith(name + ' '))?.split(' ').pop());
  expect('metrics', value('naru_upgrades_total') === 3, `${value('naru_upgrades_total')} upgrades, wanted 3`);
  expect('metrics', value('naru_requests_total{protocol="HTTP/1.1"}') === 0, 'there were requests by HTTP/1.1');
  expect('metrics', value('naru_http2_connections_total') >= 1, 'there was no HTTP/2');
}

await browser.close();
for (const problem of problems) console.log(problem);
console.log(`chat${status ? ' over HTTP/2' : ''}: ${problems.length} problems`);
process.exit(problems.length ? 1 : 0);
