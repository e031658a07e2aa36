// node hello_node.js PORT: "Hello, World!" on Node's http, one process.
const http = require('http');
const server = http.createServer((request, response) => {
  response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': 13 });
  response.end('Hello, World!');
});
server.keepAliveTimeout = 3600 * 1000;
server.requestTimeout = 0;
server.headersTimeout = 0;
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
